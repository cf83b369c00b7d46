"""Requests and answers: one definition for the server, the client and the API document.

Importing this loads neither torch nor numpy.
"""

from videovisual.protocol.answers import Answer, Array, Explanation, Prediction, Second
from videovisual.protocol.events import (
    AcceptedEvent,
    Cancellation,
    DoneEvent,
    ErrorBody,
    ErrorEvent,
    Event,
    Failure,
    FileEvent,
    PartialEvent,
    ProgressEvent,
    ResultEvent,
)
from videovisual.protocol.options import (
    HEADER_PREFIX,
    MAX_METHODS,
    MAX_TARGETS,
    MAX_VIEWS,
    OF_EXPLANATIONS,
    Options,
    Output,
    check_classifies,
    split_options,
)

__all__ = [
    "HEADER_PREFIX",
    "MAX_METHODS",
    "MAX_TARGETS",
    "MAX_VIEWS",
    "OF_EXPLANATIONS",
    "AcceptedEvent",
    "Answer",
    "Array",
    "Cancellation",
    "DoneEvent",
    "ErrorBody",
    "ErrorEvent",
    "Event",
    "Explanation",
    "Failure",
    "FileEvent",
    "Options",
    "Output",
    "PartialEvent",
    "Prediction",
    "ProgressEvent",
    "ResultEvent",
    "Second",
    "check_classifies",
    "split_options",
]
