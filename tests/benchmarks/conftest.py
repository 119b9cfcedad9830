from tests.sketches import sketches

__all__ = ["sketches"]
