"""Two models, or two versions of one, compared over a data set."""

from videovisual.diff.comparison import Comparison as Comparison
from videovisual.diff.comparison import compare as compare
from videovisual.diff.report import Diff as Diff
from videovisual.diff.report import Thresholds as Thresholds
