from tests.fixtures import run
from tests.sketches import sketches

__all__ = ["run", "sketches"]
