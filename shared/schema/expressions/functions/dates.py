"""Functions on dates. A date is a text; every function writes it as ``M/d/yyyy h:mm:ss tt`` in UTC, and reads what .NET reads."""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from shared.schema.expressions.date_formats import format_date, parse_exact, parts_of
from shared.schema.expressions.date_parsing import parse_date
from shared.schema.expressions.date_styles import DEFAULT, NAMES, adjusted, styles_of
from shared.schema.expressions.errors import UnusableValue
from shared.schema.expressions.function import Argument, Evaluator, Example, Function, Parameter, Site, Type, eager
from shared.schema.expressions.moments import (
    FILETIME_BEGINS,
    TICKS_PER_DAY,
    TICKS_PER_HOUR,
    TICKS_PER_MINUTE,
    TICKS_PER_SECOND,
    DateError,
    Kind,
    Moment,
    moment_from,
)
from shared.schema.expressions.values import EvaluationContext

_Result = TypeVar("_Result")
_MONTHS_OF: Final = {"yyyy": 12, "q": 3, "m": 1}
_TICKS_OF: Final = {
    "d": TICKS_PER_DAY,
    "y": TICKS_PER_DAY,
    "w": TICKS_PER_DAY,
    "ww": 7 * TICKS_PER_DAY,
    "h": TICKS_PER_HOUR,
    "n": TICKS_PER_MINUTE,
    "s": TICKS_PER_SECOND,
}
_INTERVALS: Final = "one of yyyy, q, m, d, y, w, ww, h, n, s"


def date_add(moment: Moment, interval: str, number: int) -> Moment:
    """Return the date so many intervals later (VB DateAdd). Raises DateError."""
    if interval in _MONTHS_OF:
        return moment.plus_months(number * _MONTHS_OF[interval])
    return moment.plus(number * _TICKS_OF[interval])


def date_diff(interval: str, first: Moment, second: Moment) -> int:
    """Return how many intervals lie between two dates (VB DateDiff): calendar fields for months and years, whole ones for the rest."""
    one, other = first.date, second.date
    if interval == "yyyy":
        return other.year - one.year
    if interval in {"m", "q"}:
        step = _MONTHS_OF[interval]
        return (other.year * 12 + other.month - 1) // step - (one.year * 12 + one.month - 1) // step
    if interval == "ww":
        days = [moment.ticks - moment.date.isoweekday() % 7 * TICKS_PER_DAY for moment in (first, second)]
        return _whole(_whole(days[1] - days[0], TICKS_PER_DAY), 7)
    unit = 7 * TICKS_PER_DAY if interval == "w" else _TICKS_OF[interval]
    return _whole(second.ticks - first.ticks, unit)


def _whole(number: int, unit: int) -> int:
    return number // unit if number >= 0 else -(-number // unit)


def _interval(text: str | None) -> str:
    interval = (text or "").lower()
    if interval not in _MONTHS_OF and interval not in _TICKS_OF:
        raise UnusableValue("interval", f"is not {_INTERVALS}")
    return interval


def _checked_interval(argument: Argument) -> Evaluator:
    if isinstance(argument.literal, str):
        try:
            interval = _interval(argument.literal)
        except UnusableValue as error:
            raise argument.wrong(error.reason, _INTERVALS) from None
        return lambda _record, _context: interval
    read = argument.text()
    return lambda record, context: _interval(read(record, context))


def _date(argument: Argument) -> Evaluator:
    """Return a closure that reads an argument as a moment, or null."""
    read, name = argument.text(), argument.name

    def parse(record: Mapping[str, Any], context: EvaluationContext) -> Moment | None:
        text = read(record, context)
        if not text:
            return None
        return _said(name, lambda: parse_date(text, moment_from(context.now)))

    return parse


def _said(name: str, work: Callable[[], _Result]) -> _Result:
    try:
        return work()
    except DateError as error:
        raise UnusableValue(name, str(error)) from None


def _c_date(site: Site) -> Evaluator:
    read = _date(site.arguments[0])

    def run(record: Mapping[str, Any], context: EvaluationContext) -> str | None:
        moment = read(record, context)
        return moment.canonical() if moment else None

    return site.guarded(run)


def _date_add(site: Site) -> Evaluator:
    interval, number, date = _checked_interval(site.arguments[0]), site.arguments[1].integer(), _date(site.arguments[2])

    def run(record: Mapping[str, Any], context: EvaluationContext) -> str | None:
        moment, count = date(record, context), number(record, context)
        if moment is None or count is None:
            return None
        step = interval(record, context)
        result: str = _said("value", lambda: date_add(moment, step, count).canonical())
        return result

    return site.guarded(run)


def _date_diff(site: Site) -> Evaluator:
    interval, first, second = _checked_interval(site.arguments[0]), _date(site.arguments[1]), _date(site.arguments[2])

    def run(record: Mapping[str, Any], context: EvaluationContext) -> int | None:
        one, other = first(record, context), second(record, context)
        return None if one is None or other is None else date_diff(interval(record, context), one, other)

    return site.guarded(run)


def date_from_num(value: int | None) -> str | None:
    """Return the date of a FILETIME: 100-nanosecond steps since 1601."""
    if value is None:
        return None
    if value < 0:
        raise UnusableValue("value", "is less than 0; the count begins in the year 1601")
    return _said("value", lambda: Moment(ticks=FILETIME_BEGINS, kind=Kind.UTC).plus(value).canonical())


def _num_from_date(site: Site) -> Evaluator:
    read, name = _date(site.arguments[0]), site.arguments[0].name

    def run(record: Mapping[str, Any], context: EvaluationContext) -> int | None:
        moment = read(record, context)
        if moment is None:
            return None
        if moment.ticks < FILETIME_BEGINS:
            raise UnusableValue(name, "is before the year 1601, where the count begins")
        return int(moment.ticks - FILETIME_BEGINS)

    return site.guarded(run)


def _now(_site: Site) -> Evaluator:
    return lambda _record, context: moment_from(context.now).canonical()


def _format_date_time(site: Site) -> Evaluator:
    source, *rest = site.arguments
    styles, reading, writing = rest
    if not writing.given:
        if not styles.given:
            raise writing.wrong("is left out", "FormatDateTime(source, inputFormat, outputFormat)")
        reading, writing, styled = styles, reading, None
    else:
        _check_styles(styles)
        styled = styles.text()
    for argument, is_input in ((reading, True), (writing, False)):
        _check_format(argument, reading=is_input)
    text, pattern, output = source.text(), reading.text(), writing.text()

    def run(record: Mapping[str, Any], context: EvaluationContext) -> str | None:
        value = text(record, context)
        if not value:
            return None
        form, today = pattern(record, context), moment_from(context.now)
        if len(value) > 200:
            raise UnusableValue("source", "is too long for a date")
        names = styled(record, context) if styled else None
        how = _said("dateTimeStyles", lambda: styles_of(names)) if names else DEFAULT
        moment = _said(
            "source",
            lambda: parse_exact(value, form, today, how) if form else adjusted(parse_date(value, today), how),
        )
        shape = output(record, context) or ""
        return _said("outputFormat", lambda: format_date(moment, shape))

    return site.guarded(run)


def _check_styles(argument: Argument) -> None:
    if isinstance(argument.literal, str):
        try:
            styles_of(argument.literal)
        except DateError as error:
            raise argument.wrong(str(error), ", ".join(sorted(NAMES))) from None


def _check_format(argument: Argument, *, reading: bool) -> None:
    literal = argument.literal
    if isinstance(literal, str) and (literal or not reading):
        try:
            parts_of(literal, reading=reading)
        except DateError as error:
            raise argument.wrong(str(error), "a date format of .NET such as yyyy-MM-dd") from None


_DATE: Final = Parameter(name="dateTime", type=Type.DATE_TIME)
_INTERVAL: Final = Parameter(name="interval")

FUNCTIONS: Final = (
    Function(
        name="CDate",
        parameters=(Parameter(name="expression"),),
        rule="The date in UTC. Any form that .NET reads, with or without time and offset.",
        examples=(Example(expression='CDate("2021-06-30+08:00")', result="6/29/2021 4:00:00 PM"),),
        build=_c_date,
    ),
    Function(
        name="DateAdd",
        parameters=(_INTERVAL, Parameter(name="value", type=Type.INTEGER), _DATE),
        rule="The date so many intervals later, earlier for a negative number. Intervals: yyyy, q, m, d, y, w, ww, h, n (minutes), s.",
        examples=(Example(expression='DateAdd("d", 7, CDate("2012-03-16-07:00"))', result="3/23/2012 7:00:00 AM"),),
        build=_date_add,
    ),
    Function(
        name="DateDiff",
        parameters=(
            _INTERVAL,
            Parameter(name="date1", type=Type.DATE_TIME),
            Parameter(name="date2", type=Type.DATE_TIME),
        ),
        rule="How many intervals lie from date1 to date2. yyyy, q and m count calendar fields, ww weeks that begin on "
        "Sunday, the others whole intervals.",
        examples=(Example(expression='DateDiff("ww", "8/25/2021 5:41:18 PM", "2012-03-16-07:00")', result=-493),),
        build=_date_diff,
    ),
    Function(
        name="DateFromNum",
        parameters=(Parameter(name="value", type=Type.INTEGER),),
        rule="The date of a FILETIME: steps of 100 nanoseconds since 1601.",
        examples=(Example(expression="DateFromNum(129699324000000000)", result="1/1/2012 11:00:00 PM"),),
        build=eager(date_from_num),
    ),
    Function(
        name="FormatDateTime",
        parameters=(
            Parameter(name="source"),
            Parameter(name="dateTimeStyles", required=False),
            Parameter(name="inputFormat", required=False),
            Parameter(name="outputFormat", required=False),
        ),
        rule="The date that the source holds in the form inputFormat, in the form outputFormat; formats of .NET in the invariant culture. "
        "dateTimeStyles may be left out, also with its comma.",
        examples=(
            Example(
                expression='FormatDateTime([extensionAttribute1], , "yyyyMMddHHmmss.fZ", "yyyy-MM-dd")',
                attributes={"extensionAttribute1": "20150123105347.1Z"},
                result="2015-01-23",
            ),
        ),
        build=_format_date_time,
        fewest=3,
    ),
    Function(
        name="Now",
        parameters=(),
        rule="The time at which the change is decided, in UTC.",
        examples=(Example(expression="Now()", result="7/2/2021 3:33:38 PM"),),
        build=_now,
        random=True,
    ),
    Function(
        name="NumFromDate",
        parameters=(Parameter(name="value"),),
        rule="The FILETIME of a date: steps of 100 nanoseconds since 1601.",
        examples=(Example(expression='NumFromDate("2012-01-01T23:00:00Z")', result=129699324000000000),),
        build=_num_from_date,
    ),
)
