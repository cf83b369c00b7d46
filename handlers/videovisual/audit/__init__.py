"""Audits: what a classifier leans on, over a data set."""

from videovisual.audit.inspection import Inspection as Inspection
from videovisual.audit.inspection import inspect as inspect
from videovisual.audit.report import Audit as Audit
from videovisual.audit.tally import Tally as Tally
