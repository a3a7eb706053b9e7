"""Models with an index: lists looked up in a graph of the vectors instead of found by comparing with all of them."""

from __future__ import annotations

import copy
import hashlib
import logging
import os
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
from tqdm import tqdm

from fastbpr import _graphs, _retrieval, _storage, _validation
from fastbpr._approximate import top_k
from fastbpr._blocks import slices
from fastbpr._threads import effective_threads

Kind = TypeVar("Kind", bound="Indexed")

LISTS = ("similar_items", "recommend", "similar_users")  # what there can be a graph for
HASHED = 2**16  # rows at once


class Graph(NamedTuple):
    """A graph of vectors, and what it was built from."""

    graph: Any
    similarity: str | None  # how vectors are compared; None for scores
    sources: dict[str, np.ndarray]  # the model's arrays, by name

    def __reduce__(self) -> tuple:
        return with_graph_of, (_graphs.as_bytes(self.graph), self.graph.expansion_search, self.similarity, self.sources)


def with_graph_of(content: np.ndarray, effort: int, similarity: str | None, sources: dict[str, np.ndarray]) -> Graph:
    """Return a graph that was copied or pickled with its model, whose arrays have become writable by that."""
    for array in sources.values():
        if array is not None:
            array.flags.writeable = False
    return Graph(_graphs.from_bytes(content, effort), similarity, sources)


class Index(NamedTuple):
    """The graphs of a model, by the lists that they are for."""

    graphs: dict[str, Graph]
    settings: dict[str, int]
    is_in_file: bool


class Indexed:
    """The part of a model of vectors that answers with the help of an index. `_top_k` is what lists go through."""

    num_threads: int
    similarity: str
    _index: Index | None = None

    def with_index(
        self: Kind,
        *,
        similar_items: bool = True,
        recommend: bool = True,
        similar_users: bool = False,
        connections: int = 16,
        build_effort: int = 200,
        effort: int = 100,
        show_progress: bool = True,
    ) -> Kind:
        """Return a model with the same vectors that looks lists up in an index: approximate, and fast in any catalogue.

        Needs usearch: ``pip install 'fastbpr[ann]'``. Exact lists take a time in proportion to the catalogue, about a
        millisecond for one list in 40,000 items; those of an index hardly depend on it. With fewer items, or for the
        lists of all items at once, an index is seldom worth it. It misses a few of the best: `index_recall` tells how
        many. Scores are exact, and so is the order of what was found. `save_index` keeps the index in a file.

        A query is answered exactly where the index cannot serve it: with another `similarity` than the model's, and
        where so much is left out, by `items` or as liked, or such long lists are wanted, that more than a twentieth of
        the catalogue would have to be looked at. `score`, `predict` and evaluations of recommendations are exact as
        ever.

        Parameters
        ----------
        similar_items, recommend : bool, default True
        similar_users : bool, default False
            The lists to build an index for; others stay exact.
        connections : int, default 16
            Neighbours that a vector is connected with, from 2 to 512. More find more, and need more memory: with the
            copy of the vector about ``8 * connections + 2 * factors`` bytes each.
        build_effort : int, default 200
            Vectors that are looked at where one is added, >= 1. More find more; time grows in proportion.
        effort : int, default 100
            Vectors that are looked at for a query, >= 1; the length of the list at least. More find more; time grows in
            proportion.
        show_progress : bool, default True
            Show a progress bar on stderr.

        Returns
        -------
        BPR, or the model's own class
            Has the same arrays, read-only; this model is not changed. Where other vectors or biases are assigned to it,
            or it is fitted again, the index is refused from then on. Models that `fold_in` or `fold_in_items` return
            have an index for the lists whose vectors stay as they were, and find the others exactly.

        Raises
        ------
        NotFittedError
            Before `fit`.
        MissingExtraError
            Without usearch.
        TypeError, ValueError
            If an argument is not as it must be, or if vectors are not finite.

        Examples
        --------
        >>> import numpy as np
        >>> from scipy.sparse import csr_array
        >>> from fastbpr import BPR
        >>> user_items = csr_array(np.random.default_rng(0).random((50, 1000)) < 0.1)
        >>> model = BPR(factors=8, iterations=10, random_state=0).fit(user_items, show_progress=False)
        >>> served = model.with_index(show_progress=False)
        >>> ids, cosines = served.similar_items(7, N=3)
        >>> int(ids[0]), float(cosines[0])
        (7, 1.0)
        >>> served.index_recall()["similar_items"] > 0.9
        True
        """
        flags = {"similar_items": similar_items, "recommend": recommend, "similar_users": similar_users}
        wanted = _validation.check_some_lists({name: _validation.check_flag(name, flags[name]) for name in flags})
        settings = {
            "connections": _validation.check_integer("connections", connections, minimum=2, maximum=512),
            "build_effort": _validation.check_integer("build_effort", build_effort, minimum=1),
            "effort": _validation.check_integer("effort", effort, minimum=1),
        }
        show_progress = _validation.check_flag("show_progress", show_progress)
        _validation.check_tables(self, finite=True)
        _graphs.library()
        other = read_only(self)
        parts = {name: indexed(other, name) for name in wanted}
        n_vectors = sum(len(items.table) for items, *_ in parts.values())
        graphs = {}
        with tqdm(total=n_vectors, desc="Index", unit=" vectors", disable=not show_progress) as progress:
            for name, (items, similarity) in parts.items():
                graph = _graphs.built(
                    items,
                    **settings,
                    num_threads=effective_threads(self.num_threads),
                    progress=progress,
                )
                graphs[name] = Graph(graph, similarity, sources(other, name, similarity))
        other._index = Index(graphs, settings, is_in_file=False)
        return other

    def without_index(self: Kind) -> Kind:
        """Return a model with the same vectors whose lists are exact; this model is not changed.

        Examples
        --------
        >>> from scipy.sparse import csr_array
        >>> from fastbpr import BPR
        >>> model = BPR(factors=8).fit(csr_array([[1, 1, 0], [0, 1, 1]]), show_progress=False)
        >>> bool((model.without_index().similar_items(0)[0] == model.similar_items(0)[0]).all())
        True
        """
        other = copy.copy(self)
        other._index = None
        return other

    def save_index(self, path: str | os.PathLike) -> None:
        """Write the index to one file, beside that of the model, which does not have it; `with_saved_index` reads it.

        Written as `save` writes, without pickle, with checksums and with a fingerprint of what it was built from.

        Parameters
        ----------
        path : str or path
            Used as it is; no ending is added.

        Raises
        ------
        ValueError
            If the model has no index, or other arrays than the index was built from.
        OSError
            If the file cannot be written.
        """
        index = _validation.check_has_index(self, self._index)
        header: dict[str, Any] = {"settings": index.settings, "graphs": {}}
        for name, graph in index.graphs.items():
            check_current(self, graph)
            fingerprint = fingerprint_of(self, name, graph.similarity)
            header["graphs"][name] = {"similarity": graph.similarity, "fingerprint": fingerprint}
        arrays = {name: _graphs.as_bytes(graph.graph) for name, graph in index.graphs.items()}
        _storage.write(path, header, arrays, kind="index")
        self._index = index._replace(is_in_file=True)

    def with_saved_index(self: Kind, path: str | os.PathLike, *, effort: int | None = None) -> Kind:
        """Return a model with the same vectors and the index of a file, as `with_index` returns one.

        Checksums and the kind, number and ids of vectors are checked, so a damaged file, or that of another model, is
        refused. What a file that was made to deceive says about connections is not: use files of your own only. That of
        the model itself may come from anywhere.

        Parameters
        ----------
        path : str or path
            Written by `save_index`.
        effort : int or None, default None
            In place of what the index was built with.

        Returns
        -------
        BPR, or the model's own class

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ModelFileError
            If the file is not an index, damaged, of a newer version, or of another model.
        MissingExtraError
            Without usearch.
        NotFittedError
            Before `fit`.
        TypeError, ValueError
            If `effort` is not an integer >= 1, or if vectors are not finite.

        Examples
        --------
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> from scipy.sparse import csr_array
        >>> from fastbpr import BPR
        >>> model = BPR(factors=8).fit(csr_array([[1, 1, 0], [0, 1, 1]]), show_progress=False)
        >>> with TemporaryDirectory() as folder:
        ...     model.with_index(show_progress=False).save_index(Path(folder, "model.index"))
        ...     served = model.with_saved_index(Path(folder, "model.index"))
        >>> sorted(served.index_recall(K=1))
        ['recommend', 'similar_items']
        """
        if effort is not None:
            effort = _validation.check_integer("effort", effort, minimum=1)
        _validation.check_tables(self, finite=True)
        _graphs.library()
        header, arrays = _storage.read(path, kind="index", mmap=True, verify=True)
        _validation.check_index_parts(path, header, arrays, LISTS)
        settings = header["settings"] | ({} if effort is None else {"effort": effort})
        other = read_only(self)
        graphs = {}
        for name, stored in header["graphs"].items():
            similarity = stored["similarity"]
            with _validation.whole_model(path, _storage.DAMAGED, (LookupError,), kind="index"):
                fingerprint = fingerprint_of(other, name, similarity)
            _validation.check_index_of_model(path, name, fingerprint == stored["fingerprint"])
            with _validation.whole_model(path, _storage.DAMAGED, (RuntimeError, ValueError), kind="index"):
                graph = _graphs.from_bytes(arrays[name], settings["effort"])
            _validation.check_graph_of_file(path, name, _graphs.is_of(graph, indexed(other, name)[0]))
            graphs[name] = Graph(graph, similarity, sources(other, name, similarity))
        other._index = Index(graphs, settings, is_in_file=True)
        return other

    def index_recall(self, K: int = 10, n_queries: int = 1000, random_state: Any = 0) -> dict[str, float]:
        """Return which share of the best K the index finds, of random queries, for each of its lists.

        What scores as high as the exact K-th counts as one of the best. The item itself does not, nor do lists that are
        answered exactly in any case.

        Parameters
        ----------
        K : int, default 10
            Length of the lists, >= 1.
        n_queries : int, default 1000
            Number of items, or users, asked for, >= 1; all where there are fewer.
        random_state : int, numpy.random.Generator, numpy.random.RandomState or None, default 0
            Seed of the choice.

        Returns
        -------
        dict
            Any of "similar_items", "recommend", "similar_users": a number from 0 to 1, NaN where all lists are empty.

        Raises
        ------
        TypeError, ValueError
            If an argument is not as it must be, or if the model has no index.

        Examples
        --------
        >>> import numpy as np
        >>> from scipy.sparse import csr_array
        >>> from fastbpr import BPR
        >>> user_items = csr_array(np.random.default_rng(0).random((50, 1000)) < 0.1)
        >>> model = BPR(factors=8, iterations=10, random_state=0).fit(user_items, show_progress=False)
        >>> served = model.with_index(recommend=False, effort=400, show_progress=False)
        >>> {name: round(recall, 2) for name, recall in served.index_recall(K=20).items()}
        {'similar_items': 1.0}
        """
        index = _validation.check_has_index(self, self._index)
        K = _validation.check_integer("K", K, minimum=1)
        n_queries = _validation.check_integer("n_queries", n_queries, minimum=1)
        rng = np.random.default_rng(_validation.check_seed("random_state", random_state))
        exact = self.without_index()
        recalls = {}
        for name, graph in index.graphs.items():
            n_rows = len(self.user_factors if name == "recommend" else next(iter(graph.sources.values())))
            ids = rng.choice(n_rows, min(n_queries, n_rows), replace=False)
            first, options = 1, {}  # the item itself comes before the others
            if name == "similar_items":
                options = {"similarity": graph.similarity}
            elif name == "recommend":
                first, options = 0, {"filter_already_liked_items": self._liked is not None}
            found, best = (
                np.where(listed[0] >= 0, listed[1], -np.inf)[:, first:]
                for listed in (getattr(model, name)(ids, N=K + first, **options) for model in (self, exact))
            )
            wanted = best > -np.inf
            least = np.where(wanted, best, np.inf).min(axis=1, keepdims=True)
            n_wanted = wanted.sum()
            recalls[name] = float((found >= least).sum() / n_wanted) if n_wanted else float("nan")
        return recalls

    def _top_k(
        self,
        name: str,
        similarity: str | None,
        queries: np.ndarray,
        table: np.ndarray,
        n: int,
        *,
        candidates: np.ndarray,
        excluded: Sequence[np.ndarray] | None = None,
        scale: np.ndarray = _retrieval.NOTHING,
        offset: np.ndarray = _retrieval.NOTHING,
        num_threads: int,
    ) -> tuple[np.ndarray, np.ndarray]:
        """`_retrieval.top_k`, with the help of the index if there is one for these lists."""
        graph = None if self._index is None else self._index.graphs.get(name)
        if graph is None or graph.similarity != similarity:
            return _retrieval.top_k(
                queries, table, n, candidates=candidates, excluded=excluded, scale=scale, offset=offset,
                num_threads=num_threads,
            )  # fmt: skip
        check_current(self, graph)
        items = _retrieval.Items.of(table, scale, offset, candidates)
        return top_k(graph.graph, queries, items, n, excluded, num_threads)

    def _tell_of_index(self) -> None:
        """Warn who saves a model that its index is in no file."""
        if self._index is not None and not self._index.is_in_file:
            logging.getLogger("fastbpr").warning(
                "The index is not in the model's file: write it to a file of its own with save_index(path)."
            )


# ---- what an index is built from ------------------------------------------------------------------------------------


def indexed(model: Any, name: str) -> tuple[_retrieval.Items, str | None]:
    """Return what the lists of a name compare queries with, and the similarity."""
    if name == "recommend":
        return _retrieval.Items.of(model.item_factors, _retrieval.NOTHING, model.item_biases), None
    what, similarity = ("item", model.similarity) if name == "similar_items" else ("user", "cosine")
    rows, scale = model._compared_vectors(what, similarity)
    return _retrieval.Items.of(rows, scale, _retrieval.NOTHING), similarity


def sources(model: Any, name: str, similarity: str | None) -> dict[str, np.ndarray]:
    """Return the arrays, by attribute, that lists of a name depend on, queries aside."""
    names = {
        "recommend": ["item_factors", "item_biases"],
        "similar_items": ["item_factors", "removed_directions"],
        "similar_users": ["user_factors"],
    }[name]
    names = [*names, "user_factors"] if similarity == "user-space" else names
    return {attribute: getattr(model, attribute) for attribute in names}


def read_only(model: Kind) -> Kind:
    """Return a model with the same arrays; with copies of those that somebody could write to."""
    other = copy.copy(model)
    other._compared = dict(model._compared)
    for attribute in ("user_factors", "item_factors", "item_biases", "removed_directions"):
        array = getattr(other, attribute)
        if array is not None and array.flags.writeable:
            array = array.copy()
            array.flags.writeable = False
            setattr(other, attribute, array)
    return other


def check_current(model: Any, graph: Graph) -> None:
    """Refuse a graph of other arrays than the model has."""
    for attribute, is_kept in arrays_kept(model, graph):
        _validation.check_index_is_current(attribute, is_kept)


def of_same_arrays(model: Any, index: Index | None) -> Index | None:
    """Return an index with those of its graphs that were built from arrays that the model has, None for none."""
    if index is None:
        return None
    graphs = {
        name: graph
        for name, graph in index.graphs.items()
        if all(is_kept for _attribute, is_kept in arrays_kept(model, graph))
    }
    is_whole = len(graphs) == len(index.graphs)
    return index._replace(graphs=graphs, is_in_file=index.is_in_file and is_whole) if graphs else None


def arrays_kept(model: Any, graph: Graph) -> Iterator[tuple[str, bool]]:
    """Return the names of the arrays that a graph was built from, and whether the model still has each."""
    for attribute, source in graph.sources.items():
        yield attribute, is_same(getattr(model, attribute), source)


def is_same(array: Any, source: np.ndarray | None) -> bool:
    """Whether an array is the very memory that a source, which is kept, has, and nobody can write to it."""
    if array is None or source is None:
        return array is source
    if not isinstance(array, np.ndarray) or array.flags.writeable or source.flags.writeable:
        return False
    looks = [(part.ctypes.data, part.shape, part.strides, part.dtype) for part in (array, source)]
    return array is source or looks[0] == looks[1]


def fingerprint_of(model: Any, name: str, similarity: str | None) -> str:
    """Return a hash of what a graph depends on."""
    digest = hashlib.blake2b(f"{name} {similarity}".encode(), digest_size=16)
    for attribute, array in sources(model, name, similarity).items():
        if array is None:
            continue
        digest.update(f" {attribute} {array.shape}".encode())
        for part in slices(len(array), HASHED):
            digest.update(np.ascontiguousarray(array[part], dtype="<f4").data)
    return digest.hexdigest()
