"""The Python functions that agents may call. Importing a module of tools here is what registers them."""

from shared.tools import project as project
from shared.tools.registry import REGISTRY as REGISTRY
