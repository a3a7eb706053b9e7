"""The names of other libraries over the engine of fastbpr: change an import, and keep the rest."""
