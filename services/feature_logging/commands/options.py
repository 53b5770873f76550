"""Reading what an option says."""

from datetime import datetime

from shared.errors import InvalidInput


def read_time(option: str, said: str | None) -> datetime:
    """A time with a time zone; raises InvalidInput naming the option."""
    try:
        time = datetime.fromisoformat(said or "")
    except ValueError as error:
        raise InvalidInput(option, "a time as RFC 3339 is needed, such as 2013-03-15T16:00:00Z") from error
    if time.tzinfo is None:
        raise InvalidInput(option, "must have a time zone, such as the Z of 2013-03-15T16:00:00Z")
    if not 2 <= time.year <= 9998:  # so that it is one in UTC as well
        raise InvalidInput(option, "must lie in the years 2 to 9998")
    return time
