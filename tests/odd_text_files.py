"""Text files as instruments and programs write them: (name, bytes, names, units, columns, lines).

`columns` are the values that a person reads off; `lines` the line of the first and last row.
"""

from __future__ import annotations

from typing import Any, NamedTuple

nan, inf = float("nan"), float("inf")


class Odd(NamedTuple):
    """A file and what it says."""

    name: str
    data: bytes
    names: list[str]
    columns: list[list[Any]]
    units: dict[str, str] = {}  # noqa: RUF012
    lines: tuple[int, int] | None = None
    options: dict[str, Any] = {}  # noqa: RUF012


AB = [[1.0, 2.0], [1.5, 2.5]]
T5, V5 = [0.0, 0.5, 1.0, 1.5, 2.0], [1.0, 3.0, 5.0, 7.0, 9.0]
TEKTRONIX = ("Record Length,2.5e+03,", "Sample Interval,4e-06,", "Source,CH1,")


def _beside(settings: tuple[str, ...], delimiter: str, side: str) -> bytes:
    """Rows of T5 and V5 with settings beside the first, as oscilloscopes write them."""
    blank = delimiter * settings[0].replace(delimiter, ",").count(",")
    rows = []
    for i, (t, v) in enumerate(zip(T5, V5, strict=True)):
        said = settings[i].replace(",", delimiter) if i < len(settings) else blank
        point = f"{t}{delimiter}{v}"
        rows.append(delimiter.join((said, point) if side.startswith("left") else (point, said)))
    return ("\n".join(rows) + "\n").encode()


def jcamp(
    data: str, points: int, form: str = "(X++(Y..Y))", table: str = "XYDATA", **said
) -> bytes:
    """A spectrum in JCAMP-DX; records are added or, with None, left out."""
    records = {
        "TITLE": "made up", "JCAMP-DX": "4.24 $$ program 7", "XUNITS": "1/CM",
        "YUNITS": "ABSORBANCE", "NPOINTS": points, "FIRSTX": 0, "LASTX": points - 1,
    } | said  # fmt: skip
    head = "".join(f"##{k}= {v}\n" for k, v in records.items() if v is not None)
    return f"{head}##{table}= {form}\n{data}\n##END=\n".encode()


# The same numbers in every form: McDonald & Wilks, Appl. Spectrosc. 42, 151 (1988), table VII
TABLE_VII = [1.0, 2.0, 3.0, 3.0, 2.0, 1.0, 0.0, -1.0, -2.0, -3.0]
TABLE_VII_FORMS = [
    ("fixed", "0 1 2 3 3\n4 2 1 0 -1 -2 -3", (9, 10)), ("packed", "0+1+2+3+3+2+1+0-1-2-3", None),
    ("packed to the left", "0 1 2 3 3 2 1 0-1-2-3", None), ("squeezed", "0 1BCCBA@abc", None),
    ("differences", "0 1JJ%jjjjjj", None), ("duplicates", "0 1JT%jX", None),
    ("check values", "0AJJ%j\n4Bjj\n6 @jjj\n9c", (9, 11)),
    ("exponents", "0 1.0E+00 2.0E+00 3 30e-01 2 1 0 -1 -2 -3 $$ end", None),
]  # fmt: skip

FILES = [
    Odd("plain", b"t,V\n1,1.5\n2,2.5\n", ["t", "V"], AB, lines=(2, 3)),
    Odd("no final newline", b"t,V\n1,1.5\n2,2.5", ["t", "V"], AB),
    Odd("CRLF", b"t,V\r\n1,1.5\r\n2,2.5\r\n", ["t", "V"], AB, lines=(2, 3)),
    Odd("CR of old Macs", b"t,V\r1,1.5\r2,2.5\r", ["t", "V"], AB, lines=(2, 3)),
    Odd("mixed line ends", b"t,V\r\n1,1.5\n2,2.5\r\n", ["t", "V"], AB),
    Odd("BOM", b"\xef\xbb\xbft,V\n1,1.5\n2,2.5\n", ["t", "V"], AB),
    Odd("UTF-16", "t\tV µ\r\n1\t1,5\r\n2\t2,5\r\n".encode("utf-16"), ["t", "V µ"], AB),
    Odd("UTF-16 without BOM", "t\tV\n1\t1.5\n2\t2.5\n".encode("utf-16-le"), ["t", "V"], AB),
    Odd("Latin-1 unit", "t (µs);V\n1;1,5\n2;2,5\n".encode("latin-1"), ["t", "V"], AB, {"t": "µs"}),
    Odd("German Excel", b"t;V\r\n1;1,5\r\n2;2,5\r\n", ["t", "V"], AB),
    Odd("thousands dots", b"t;V\n1;1.234,5\n2;2,5\n", ["t", "V"], [[1, 2], [1234.5, 2.5]]),
    Odd("thousands commas, quoted", b't,V\n1,"1,234.5"\n2,2.5\n', ["t", "V"],
        [[1, 2], [1234.5, 2.5]]),
    Odd("tabs", b"t\tV\n1\t1.5\n2\t2.5\n", ["t", "V"], AB),
    Odd("tabs with empty cell", b"t\tV\n1\t\n2\t2.5\n", ["t", "V"], [[1, 2], [nan, 2.5]]),
    Odd("blanks, aligned", b"   t    V\n   1  1.5\n   2  2.5\n", ["t", "V"], AB, lines=(2, 3)),
    Odd("numpy.savetxt", b"# t V\n1.0e+00 1.5e+00\n2.0e+00 2.5e+00\n", ["t", "V"], AB),
    Odd("no header", b"1 1.5\n2 2.5\n", ["c0", "c1"], AB, lines=(1, 2)),
    Odd("one column", b"1.5\n2.5\n3.5\n", ["c0"], [[1.5, 2.5, 3.5]]),
    Odd("one named column", b"V\n1.5\n2.5\n", ["V"], [[1.5, 2.5]]),
    Odd("one row", b"t,V\n1,1.5\n", ["t", "V"], [[1], [1.5]]),
    Odd("units in round brackets below", b"t  V\n(s)  (mV)\n1  1.5\n2  2.5\n", ["t", "V"], AB,
        {"t": "s", "V": "mV"}, (3, 4)),
    Odd("units in square brackets below", b"t;V\n[s];[mV]\n1;1,5\n2;2,5\n", ["t", "V"], AB,
        {"t": "s", "V": "mV"}),
    Odd("bare units below", b"time,voltage\ns,mV\n1,1.5\n2,2.5\n", ["time", "voltage"], AB,
        {"time": "s", "voltage": "mV"}),
    Odd("units in the header", b"time (s),V [mV]\n1,1.5\n2,2.5\n", ["time", "V"], AB,
        {"time": "s", "V": "mV"}),
    Odd("units in a header of blanks", b"time (s)  V (mV)\n1 1.5\n2 2.5\n", ["time", "V"], AB,
        {"time": "s", "V": "mV"}),
    Odd("units behind a slash", b"t / s;U / V\n1;1,5\n2;2,5\n", ["t", "U"], AB,
        {"t": "s", "U": "V"}),
    Odd("header in comments", b"# run 7\n# date: 2024-05-01\n# t V\n1 1.5\n2 2.5\n", ["t", "V"], AB,
        lines=(4, 5)),
    Odd("percent comments", b"% made by octave\n1 1.5\n% half way\n2 2.5\n", ["c0", "c1"], AB,
        lines=(2, 4)),
    Odd("slashes", b"// scope\nt,V\n1,1.5\n2,2.5\n", ["t", "V"], AB),
    Odd("semicolon comments", b"; scope\nt,V\n1,1.5\n; gap\n2,2.5\n", ["t", "V"], AB, lines=(3, 5)),
    Odd("remark behind the numbers", b"t V\n1 1.5 # first\n2 2.5\n", ["t", "V"], AB),
    Odd("preamble", b"Keithley 2400\nOperator: Meier\n\nStart,Stop,Step\n\nt,V\n1,1.5\n2,2.5\n",
        ["t", "V"], AB, lines=(7, 8)),
    Odd("preamble with numbers", b"Sample,A7,3\nTemperature,295.2,K\nt,V\n1,1.5\n2,2.5\n",
        ["t", "V"], AB),
    Odd("INI-like preamble", b"[Header]\nGain=3\nRate=1000\n[Data]\nt\tV\n1\t1.5\n2\t2.5\n",
        ["t", "V"], AB),
    Odd("footer", b"t,V\n1,1.5\n2,2.5\nEND\n", ["t", "V"], AB, lines=(2, 3)),
    Odd("footer of words", b"t V\n1 1.5\n2 2.5\nTotal time: 12 s\n\n", ["t", "V"], AB),
    Odd("empty rows of Excel", b"t,V\n1,1.5\n2,2.5\n,\n,\n", ["t", "V"], AB, lines=(2, 3)),
    Odd("delimiter at line ends", b"t;V;\n1;1,5;\n2;2,5;\n", ["t", "V"], AB),
    Odd("delimiter at ends of rows", b"t;V\n1;1,5;\n2;2,5;\n", ["t", "V"], AB),
    Odd("blanks around commas", b"t , V\n 1 , 1.5\n 2 , 2.5\n", ["t", "V"], AB),
    Odd("quoted", b'"t","V, left"\n"1","1.5"\n"2","2.5"\n', ["t", "V, left"], AB),
    Odd("line end in a quoted header", b't,"V\n(mV)"\n1,1.5\n2,2.5\n', ["t", "V"], AB,
        {"V": "mV"}, (3, 4)),
    Odd("Fortran", b"  0.1D+01  0.15D+01\n  0.2D+01  0.25D+01\n", ["c0", "c1"], AB),
    Odd("Fortran without letter", b"1.0 1.5-103\n2.0 2.5+103\n", ["c0", "c1"],
        [[1, 2], [1.5e-103, 2.5e103]]),
    Odd("missing words", b"t,V,W\n1,NA,#N/A\n2,2.5,-\n3,nan,1\n", ["t", "V", "W"],
        [[1, 2, 3], [nan, 2.5, nan], [nan, nan, 1]]),
    Odd("infinities", b"t,V\n1,inf\n2,-Infinity\n3,+inf\n", ["t", "V"],
        [[1, 2, 3], [inf, -inf, inf]]),
    Odd("Visual C++ infinities", b"t V\n1 1.#INF\n2 -1.#IND\n", ["t", "V"], [[1, 2], [inf, nan]]),
    Odd("text column", b"t,who,V\n1,anna,1.5\n2,,2.5\n", ["t", "who", "V"],
        [[1, 2], ["anna", ""], [1.5, 2.5]]),
    Odd("timestamps", b"when,V\n2024-01-05 12:00:01,1.5\n2024-01-05 12:00:02,2.5\n",
        ["when", "V"], [["2024-01-05 12:00:01", "2024-01-05 12:00:02"], [1.5, 2.5]]),
    Odd("per cent", b"t,load\n1,10%\n2,12.5 %\n", ["t", "load"], [[1, 2], [10, 12.5]],
        {"load": "%"}),
    Odd("complex", b"t,Z\n1,1+2j\n2,(3-4j)\n", ["t", "Z"], [[1, 2], [1 + 2j, 3 - 4j]]),
    Odd("complex with i", b"t;Z\n1;1,5+2i\n2;3-4,5i\n", ["t", "Z"], [[1, 2], [1.5 + 2j, 3 - 4.5j]]),
    Odd("Unicode minus", "t,V\n1,−1.5\n2,2.5\n".encode(), ["t", "V"], [[1, 2], [-1.5, 2.5]]),
    Odd("leading plus and bare points", b"t,V\n+1,.5\n+2,2.\n", ["t", "V"], [[1, 2], [0.5, 2.0]]),
    Odd("names twice", b"V,V\n1,1.5\n2,2.5\n", ["V", "V_2"], AB),
    Odd("names told apart by brackets", b"V (left),V (right)\n1,1.5\n2,2.5\n",
        ["V (left)", "V (right)"], AB),
    Odd("header without some names", b"t,\n1,1.5\n2,2.5\n", ["t", "c1"], AB),
    Odd("wavelengths as names", b"nm,400,410\n1,1.5,3\n2,2.5,4\n", ["nm", "400", "410"],
        [*AB, [3, 4]]),
    Odd("SPICE names", b"time\tV(out)\n1\t1.5\n2\t2.5\n", ["time", "V(out)"], AB),
    Odd("Markdown", b"| t | V |\n|---|---|\n| 1 | 1.5 |\n| 2 | 2.5 |\n", ["t", "V"], AB),
    Odd("rule below the header", b"t   V\n--- ---\n1   1.5\n2   2.5\n", ["t", "V"], AB),
    Odd("gnuplot blocks", b"1 1.5\n\n\n2 2.5\n", ["c0", "c1"], AB, lines=(1, 4)),
    Odd("decimal comma, blanks", b"t V\n1,0 1,5\n2,0 2,5\n", ["t", "V"], AB),
    Odd("integers with commas", b"1,1\n2,3\n", ["c0", "c1"], [[1, 2], [1, 3]]),
    Odd("thousands in tabs", b"t\tV\n1\t1,234\n2\t1,234.5\n", ["t", "V"], [[1, 2], [1234, 1234.5]]),
    Odd("missing first row", b"t,V\nNA,NA\n1,1.5\n2,2.5\n", ["t", "V"],
        [[nan, 1, 2], [nan, 1.5, 2.5]]),
    Odd("skip", b"1,2,3\n4,5,6\nt,V\n1,1.5\n2,2.5\n", ["t", "V"], AB, options={"skip": 2}),
    Odd("header by number", b"1,2\nt,V\n1,1.5\n2,2.5\n", ["t", "V"], AB, options={"header": 2},
        lines=(3, 4)),
    Odd("numbers as names", b"10,20\n1,1.5\n2,2.5\n", ["10", "20"], AB, options={"header": True}),
    Odd("no header by order", b"t,V\n1,1.5\n2,2.5\n", ["c0", "c1"], AB, options={"header": False}),
    Odd("own comment mark", b"t,V\n1,1.5 @ one\n@ gap\n2,2.5\n", ["t", "V"], AB,
        options={"comment": "@"}),
    Odd("own decimal sign", b"t\tV\n1\t1,234\n2\t2,345\n", ["t", "V"], [[1, 2], [1.234, 2.345]],
        options={"decimal": ","}),
    Odd("UTF-16 by order", "t,V\n1,1.5\n2,2.5\n".encode("utf-16-be"), ["t", "V"], AB,
        options={"encoding": "utf-16-be"}),
    Odd("bars", b"t|V\n1|1.5\n2|2.5\n", ["t", "V"], AB),
    Odd("comma and blank in names", b"Time [s], Signal [V]\n1, 1.5\n2, 2.5\n", ["Time", "Signal"],
        AB, {"Time": "s", "Signal": "V"}),
    Odd("tiny units row of dashes", b"t,V\ns,-\n1,1.5\n2,2.5\n", ["t", "V"], AB, {"t": "s"}),
    Odd("comment units", b"# t V\n# (s) (mV)\n1 1.5\n2 2.5\n", ["t", "V"], AB,
        {"t": "s", "V": "mV"}),
    Odd("dates and decimal commas",
        "Datum;Uhrzeit;Temp. °C\n01.02.2024;12:00:00;21,5\n01.02.2024;12:01:00;21,6\n"
        .encode("cp1252"), ["Datum", "Uhrzeit", "Temp. °C"],
        [["01.02.2024"] * 2, ["12:00:00", "12:01:00"], [21.5, 21.6]]),
    Odd("Rigol", b"X,CH1,Start,Increment,\n Sequence,Volt,-3e-05,1e-08\n0,1.16,,\n1,1.18,,\n",
        ["X", "CH1", "Start", "Increment"], [[0, 1], [1.16, 1.18], [nan, nan], [nan, nan]],
        lines=(3, 4)),
    Odd("LabVIEW", b"LabVIEW Measurement\t\nSeparator\tTab\n***End_of_Header***\t\n\t\n"
        b"X_Value\tUntitled\tComment\n0,000000\t1,500000\n1,000000\t2,500000\n",
        ["X_Value", "Untitled"], [[0, 1], [1.5, 2.5]]),
    Odd("Origin", b"A\tB\r\nTime\tSignal\r\ns\tmV\r\n\t\r\n1\t1.5\r\n2\t2.5\r\n",
        ["Time", "Signal"], AB, {"Time": "s", "Signal": "mV"}, (5, 6)),
    Odd("Gamry", b"ZCURVE\tTABLE\n\tPt\tTime\n\t#\ts\n\t0\t3,5\n\t1\t5,5\n",
        ["c0", "Pt", "Time"], [[nan, nan], [0, 1], [3.5, 5.5]]),
    Odd("BioLogic", b"EC-Lab ASCII FILE\nNb header lines : 3\nfreq/Hz\tRe(Z)/Ohm\n"
        b"1.0E+005\t3.5E+000\n9.0E+004\t3.6\n", ["freq", "Re(Z)"], [[1e5, 9e4], [3.5, 3.6]],
        {"freq": "Hz", "Re(Z)": "Ohm"}),
    Odd("Avantes", b"Integration time [ms]: 100.00\nAverage Nr.: 1\nWave   ;Sample\n"
        b"[nm]   ;[counts]\n 345,86;  2,345\n 346,50;  2,445\n", ["Wave", "Sample"],
        [[345.86, 346.5], [2.345, 2.445]], {"Wave": "nm", "Sample": "counts"}),
    Odd("one named column of decimal commas", b"V\n1,5\n2,5\n", ["V"], [[1.5, 2.5]]),
    Odd("bad cell in the first row", b"1,overload\n2,1.5\n3,2\n4,3\n", ["c0", "c1"],
        [[1, 2, 3, 4], ["overload", "1.5", "2", "3"]]),
    *(Odd(f"settings at the {side}", _beside(rows, sep, side), names, [T5, V5], lines=(1, 5))
      for side, sep, rows, names in (
          ("left", ",", TEKTRONIX, ["c3", "c4"]), ("left, tabs", "\t", TEKTRONIX, ["c3", "c4"]),
          ("left, numbers only", ";", ("Points;5", "Interval;1"), ["c2", "c3"]),
          ("right", ",", ("Points,5", "Unit,V"), ["c0", "c1"]))),
    Odd("a remark on the first rows", b"0,1,start\n1,3,\n2,5,\n", ["c0", "c1", "c2"],
        [[0, 1, 2], [1, 3, 5], ["start", "", ""]]),
    *(Odd(f"JCAMP-DX {name}", jcamp(data, 10), ["x", "y"],
          [[float(i) for i in range(10)], TABLE_VII], {"x": "1/CM", "y": "ABSORBANCE"}, lines)
      for name, data, lines in TABLE_VII_FORMS),
    Odd("JCAMP-DX with factors", jcamp("0 200 400\n20 600", 3, XFACTOR=0.5, YFACTOR=0.01,
        FIRSTX=0, LASTX=10, FIRSTY=2), ["x", "y"],
        [[0.0, 5.0, 10.0], [2.0, 4.0, 6.0]], {"x": "1/CM", "y": "ABSORBANCE"}, (12, 13)),
    Odd("JCAMP-DX points", jcamp("0, 1; 2.5, 3\n4, ?", 3, form="(XY..XY)", table="PEAK TABLE"),
        ["x", "y"], [[0.0, 2.5, 4.0], [1.0, 3.0, nan]], {"x": "1/CM", "y": "ABSORBANCE"}),
    Odd("no comments by order", b"who,V\n#1,1.5\n%2,2.5\n", ["who", "V"],
        [["#1", "%2"], [1.5, 2.5]], options={"comment": ""}),
]  # fmt: skip
