"""The deployed functions. The version stands here because an image installs the requirements and not the project."""

__version__ = "0.2.0"
