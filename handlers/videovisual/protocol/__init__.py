"""Requests and answers: one definition for the server, the client and the API document.

Importing this loads neither torch nor numpy.
"""

from videovisual.protocol.answers import HEADLINE as HEADLINE
from videovisual.protocol.answers import Answer as Answer
from videovisual.protocol.answers import Array as Array
from videovisual.protocol.answers import Explanation as Explanation
from videovisual.protocol.answers import Prediction as Prediction
from videovisual.protocol.answers import Second as Second
from videovisual.protocol.answers import said as said
from videovisual.protocol.envelope import Envelope as Envelope
from videovisual.protocol.envelope import Signature as Signature
from videovisual.protocol.events import AcceptedEvent as AcceptedEvent
from videovisual.protocol.events import Cancellation as Cancellation
from videovisual.protocol.events import DoneEvent as DoneEvent
from videovisual.protocol.events import ErrorBody as ErrorBody
from videovisual.protocol.events import ErrorEvent as ErrorEvent
from videovisual.protocol.events import Event as Event
from videovisual.protocol.events import Failure as Failure
from videovisual.protocol.events import FileEvent as FileEvent
from videovisual.protocol.events import PartialEvent as PartialEvent
from videovisual.protocol.events import ProgressEvent as ProgressEvent
from videovisual.protocol.events import ResultEvent as ResultEvent
from videovisual.protocol.job import KEY_HEADER as KEY_HEADER
from videovisual.protocol.job import JobState as JobState
from videovisual.protocol.options import HEADER_PREFIX as HEADER_PREFIX
from videovisual.protocol.options import MAX_METHODS as MAX_METHODS
from videovisual.protocol.options import MAX_TARGETS as MAX_TARGETS
from videovisual.protocol.options import MAX_VIEWS as MAX_VIEWS
from videovisual.protocol.options import OF_EXPLANATIONS as OF_EXPLANATIONS
from videovisual.protocol.options import Options as Options
from videovisual.protocol.options import Output as Output
from videovisual.protocol.options import check_classifies as check_classifies
from videovisual.protocol.options import names_in as names_in
from videovisual.protocol.options import split_options as split_options
from videovisual.protocol.provenance import Provenance as Provenance
