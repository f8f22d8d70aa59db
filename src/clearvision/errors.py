"""Every error that ClearVision raises on purpose, under one base.

A message says what is wrong, the value found, what is allowed and the way out, in one sentence.
"""


class ClearVisionError(Exception):
    """Base of all deliberate errors; front ends print its text and set the exit code."""


class UsageError(ClearVisionError, ValueError):
    """An argument or option is outside what is allowed."""


class PictureError(ClearVisionError):
    """A picture could not be read, or is not acceptable."""


class PictureWriteError(ClearVisionError, OSError):
    """A picture could not be written; nothing is left at its path."""


class ImageShapeError(ClearVisionError, ValueError):
    """An array does not have the shape, type or channel count that a function needs."""


class ModelError(ClearVisionError):
    """A model is unknown, or its file is damaged or does not fit its network."""


class MissingExtraError(ClearVisionError, ImportError):
    """A feature needs an optional dependency that is not installed."""


class EngineError(ClearVisionError):
    """An engine failed on every rung of its retry ladder."""


class RecipeError(ClearVisionError, ValueError):
    """A recipe has a fault; the text lists every fault found."""


class DataError(ClearVisionError):
    """Training or test data is missing, unreadable or does not fit the recipe."""


class TrainingError(ClearVisionError):
    """Training cannot start, continue or resume."""


class ExportError(ClearVisionError):
    """An exported file cannot be written, or does not compute what the model computes; nothing is left at its path."""
