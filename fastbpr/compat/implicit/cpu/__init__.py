"""The same models under the longer names that implicit has for them."""
