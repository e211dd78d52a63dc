"""A figure that was estimated from draws, with how far it can be trusted."""

from dataclasses import dataclass

NORMAL_95 = 1.959963984540054  # of a standard normal's draws, 95 % are within so many standard deviations


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % confidence interval, low <= value <= high, clipped to the figure's own range."""

    value: float
    low: float
    high: float


def estimate(value: float, standard_error: float, least: float = 0.0, most: float = 1.0) -> Estimate:
    """Return the value with its normal 95 % interval, all clipped to [least, most]; NaN stays NaN."""
    reach = NORMAL_95 * standard_error
    low, middle, high = (min(max(each, least), most) for each in (value - reach, value, value + reach))
    return Estimate(middle, low, high)
