"""Each format: what is accepted survives an empty edit, and an edit changes what it names alone."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import corpus
from wizard.errors import HostError, ParseError, WizardError
from wizard.formats import maincf, mastercf, pamd, shellvars, smtpdconf, table

_REPOSITORY = Path(__file__).resolve().parents[2]


def empty_edit(kind: str, data: bytes) -> bytes:
    match kind:
        case "main.cf":
            return maincf.edit(kind, data, [])
        case "master.cf":
            return mastercf.edit(kind, data, [])
        case "smtpd.conf":
            return smtpdconf.edit(kind, data, [])
        case "saslauthd.default":
            return shellvars.edit(kind, data, [])
        case _:
            return pamd.edit(kind, data, [])


KINDS = ("main.cf", "master.cf", "smtpd.conf", "saslauthd.default", "pam.d")
# pieces that mean something to one of the formats, in any order and number
MARKS = (*" \t\n#=:{}$\"'\\-é\xff", "\r\n", "\n\n", "-o", "a", "name")
WORDS = ("smtp inet n - y - - smtpd", "auth required pam_unix.so", "@include x", "a = b\n", "a: b\n")
TEXT = st.lists(st.sampled_from(MARKS + WORDS), max_size=24).map(
    lambda pieces: "".join(pieces).encode("latin-1")
)


@pytest.mark.parametrize("kind", KINDS)
def test_files_of_others_survive_an_empty_edit(kind: str) -> None:
    for name, data in corpus.files(kind).items():
        try:
            after = empty_edit(kind, data)
        except ParseError as error:
            lines = data.splitlines()
            assert 1 <= error.line <= len(lines), name
            assert not name.startswith("data/") or corpus.refused(name), error
        else:
            assert after == data, name


@settings(deadline=None, max_examples=150)
@given(data=TEXT, kind=st.sampled_from(KINDS))
def test_what_is_accepted_survives_and_what_is_not_is_refused_with_its_line(data: bytes, kind: str) -> None:
    try:
        assert empty_edit(kind, data) == data
    except ParseError as error:
        assert 1 <= error.line <= data.count(b"\n") + 1
        assert error.path == kind


# main.cf

LINES = st.lists(
    st.sampled_from(
        [
            "# a comment",
            "",
            "a = 1",
            "a=2, 3",
            "b =",
            "b =   # is the value",
            "c = x\n  y",
            "c =\n# within\n\n  y",
            "  # indented",
            "d = ${a?{b}:{c}}",
            "e\n  = 1",
        ]
    ),
    min_size=1,
    max_size=8,
)


def assigned(data: bytes) -> dict[str, str]:
    """Return the parameters of a main.cf, by a second reader that has nothing in common with the first."""
    lines = [x for x in data.decode().splitlines() if x.strip() and not x.lstrip().startswith("#")]
    logical: list[str] = []
    for line in lines:
        if line[0].isspace():
            logical[-1] += line
        else:
            logical.append(line)
    pairs = (line.partition("=") for line in logical)
    return {name.strip(): " ".join(value.split()) for name, _, value in pairs}


@settings(deadline=None, max_examples=150)
@given(
    lines=LINES,
    end=st.sampled_from(["\n", "\r\n"]),
    finished=st.booleans(),
    name=st.sampled_from("abcdez"),
    value=st.sampled_from(["", "7", "x, y", "[host]:25", "${a?{b}}", "Grüße"]),
)
def test_setting_a_parameter_changes_it_alone(
    lines: list[str], end: str, finished: bool, name: str, value: str
) -> None:
    text = "\n".join(lines) + ("\n" if finished else "")
    data = text.replace("\n", end).encode()
    after = maincf.edit("main.cf", data, [maincf.SetParameter(name, value)])
    assert assigned(after) == assigned(data) | {name: value}
    comments = re.compile(rb"^[ \t]*#[^\r\n]*", re.MULTILINE)
    assert sorted(comments.findall(after)) == sorted(comments.findall(data))
    if b"\n" in data:
        assert after.count(b"\n") == after.count(end.encode())
    assert after.endswith(b"\n") == (data.endswith(b"\n") or not data)
    again = maincf.edit("main.cf", after, [maincf.SetParameter(name, value)])
    assert again == after


def test_of_two_settings_the_last_is_edited() -> None:
    data = b"a = 1\nb = 2\na   =   3   \n"
    assert maincf.edit("main.cf", data, [maincf.SetParameter("a", "4")]) == b"a = 1\nb = 2\na   =   4   \n"


def test_comments_within_a_value_that_goes_stay() -> None:
    data = b"a =\n  1,\n# why 2\n  2\nb = 3\n"
    assert maincf.edit("main.cf", data, [maincf.SetParameter("a", "4")]) == b"a =\n  4\n# why 2\nb = 3\n"


LIST = """a =
  # first
  b,
  c d:e,

  # then
  f
"""


@pytest.mark.parametrize(
    ("value", "changed"),
    [
        ("b, c d:e, x, f", ("d:e,\n", "d:e,\n  x,\n")),
        ("x, b, c d:e, f", ("  b,", "  x,\n  b,")),
        ("b, c d:e, f, x", ("  f", "  f,\n  x")),
        ("b, f", ("  c d:e,\n", "")),
        ("c d:e, f", ("  b,\n", "")),
        ("b, c d:e", ("  c d:e,\n\n  # then\n  f\n", "  c d:e\n  # then\n")),
        ("b c d:z f", ("b,\n  c d:e,", "b\n  c d:z")),
    ],
)
def test_a_list_that_gains_or_loses_words_keeps_its_lines_and_comments(
    value: str, changed: tuple[str, str]
) -> None:
    after = maincf.edit("main.cf", LIST.encode(), [maincf.SetParameter("a", value)]).decode()
    assert after == LIST.replace(*changed)
    option = LIST.replace("a =", "smtp inet n - y - - smtpd\n  -o { a =").replace("f\n", "f }\n")
    again = mastercf.edit("master.cf", option.encode(), [mastercf.SetOption("smtp", "inet", "a", value)])
    assert again.decode().startswith("smtp inet n - y - - smtpd\n  -o { a =\n  # first\n")


def test_a_line_that_is_no_setting_is_named() -> None:
    with pytest.raises(ParseError, match=r"main\.cf, line 3: unexpected 'no setting'"):
        maincf.edit("main.cf", b"a = 1\n\nno setting\nb = 2\n", [])


# master.cf

OPTIONS = b"""smtp inet n - y - - smtpd
  -o a=1
# between
  -o { b = x y }  -o c=${d?{e}:{f}}
    -o a=2
pickup unix n - y 60 1 pickup
"""


def test_setting_an_option_edits_the_one_that_counts() -> None:
    wish = mastercf.SetOption("smtp", "inet", "a", "3")
    assert mastercf.edit("master.cf", OPTIONS, [wish]) == OPTIONS.replace(b"a=2", b"a=3")


def test_an_option_in_braces_is_rewritten_where_it_is() -> None:
    wish = mastercf.SetOption("smtp", "inet", "b", "z")
    assert mastercf.edit("master.cf", OPTIONS, [wish]) == OPTIONS.replace(b"x y", b"z")


def test_a_new_option_comes_behind_flags() -> None:
    wish = mastercf.SetOption("smtp", "inet", "n", "1")
    data = b"smtp inet n - y - - smtpd -v\n"
    assert mastercf.edit("master.cf", data, [wish]) == b"smtp inet n - y - - smtpd -v\n  -o n=1\n"


def test_a_value_with_blanks_is_put_in_braces() -> None:
    wish = mastercf.SetOption("smtp", "inet", "a", "x, y")
    assert mastercf.edit("master.cf", OPTIONS, [wish]) == OPTIONS.replace(b"a=2", b"{ a = x, y }")


def test_a_new_option_comes_last_on_a_line_of_its_own() -> None:
    wish = mastercf.SetOption("smtp", "inet", "n", "1")
    assert mastercf.edit("master.cf", OPTIONS, [wish]) == OPTIONS.replace(b"a=2\n", b"a=2\n    -o n=1\n")


def test_of_two_services_the_last_is_edited() -> None:
    data = b"smtp inet n - y - - smtpd\nsmtp inet n - n - - smtpd\n"
    after = mastercf.edit("master.cf", data, [mastercf.SetChroot("smtp", "inet", "-")])
    assert after == b"smtp inet n - y - - smtpd\nsmtp inet n - - - - smtpd\n"


def test_of_two_services_both_go() -> None:
    data = b"smtp inet n - y - - smtpd\n  -o a=b\npickup unix n - y 60 1 pickup\nsmtp inet n - n - - smtpd\n"
    after = mastercf.edit("master.cf", data, [mastercf.DisableService("smtp", "inet")])
    assert after == data.replace(b"smtp inet", b"#smtp inet").replace(b"  -o", b"#  -o")


def test_a_new_service_stands_below_its_example() -> None:
    smtp, example = b"smtp inet n - y - - smtpd\n", b"#submission inet n - y - - smtpd\n#  -o a=b\n"
    data = smtp + example + b"# more\npickup unix n - y 60 1 pickup\n"
    wish = mastercf.AddService(
        "submission", "inet", "n", "-", "y", "-", "-", "smtpd", (mastercf.Option("c", "d e"),)
    )
    after = mastercf.edit("master.cf", data, [wish]).decode()
    added = "submission inet n       -       y       -       -       smtpd\n  -o { c = d e }\n"
    assert after.replace(" ", "") == data.decode().replace("# more", f"{added}# more").replace(" ", "")


def test_a_service_is_turned_into_comments_line_by_line() -> None:
    after = mastercf.edit("master.cf", OPTIONS, [mastercf.DisableService("smtp", "inet")])
    lines = OPTIONS.decode().splitlines(keepends=True)
    commented = [line if line.startswith("#") else f"#{line}" for line in lines[:-1]]
    assert after.decode() == "".join([*commented, lines[-1]])


@pytest.mark.parametrize(
    "data", [OPTIONS, OPTIONS.replace(b"\n", b"\r\n"), b"#smtp inet\n" + OPTIONS + b"# -o x\n"]
)
def test_a_service_that_was_turned_into_comments_comes_back_as_it_was(data: bytes) -> None:
    (text,) = mastercf.texts("master.cf", data, ("smtp", "25"), "inet")
    assert not mastercf.is_disabled(data, text)
    disabled = mastercf.edit("master.cf", data, [mastercf.DisableService("smtp", "inet")])
    assert mastercf.is_disabled(disabled, text)
    assert mastercf.edit("master.cf", disabled, [mastercf.EnableService(text)]) == data
    touched = disabled.replace(b"a=", b"c=", 1)
    assert not mastercf.is_disabled(touched, text)


def test_a_service_that_is_not_there_is_refused() -> None:
    with pytest.raises(HostError, match="no service submission of type inet"):
        mastercf.edit("master.cf", OPTIONS, [mastercf.SetChroot("submission", "inet", "n")])


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("smtp inet n - y - - smtpd\nsmtp inet n - y -\n", 2),
        ("# x\n\nsmtp tcp n - y - - smtpd\n", 3),
        ("smtp inet n - y - - smtpd\npickup unix n - maybe 60 1 pickup\n", 2),
    ],
)
def test_a_line_that_is_no_service_is_named(text: str, line: int) -> None:
    with pytest.raises(ParseError) as caught:
        mastercf.edit("master.cf", text.encode(), [])
    assert caught.value.line == line


# smtpd.conf


def test_the_first_line_of_a_key_counts_in_any_case() -> None:
    data = b"# c\nMech_List:  PLAIN   \nmech_list: LOGIN\n"
    assert smtpdconf.read("smtpd.conf", data).keys == {"mech_list": "PLAIN"}
    after = smtpdconf.edit("smtpd.conf", data, [smtpdconf.SetKey("mech_list", "SCRAM-SHA-256")])
    assert after == b"# c\nMech_List:  SCRAM-SHA-256   \nmech_list: LOGIN\n"


def test_dropping_a_key_takes_every_line_of_it() -> None:
    data = b"a_key: 1\n# c\nA_Key: 2\nother: 3"
    assert smtpdconf.edit("smtpd.conf", data, [smtpdconf.DropKey("a_key")]) == b"# c\nother: 3"


@pytest.mark.parametrize(
    "line", ["mech_list = PLAIN", "mech_list:", "\ufeffmech_list: PLAIN", "secret words"]
)
def test_what_libsasl_cannot_read_is_refused_without_its_value(line: str) -> None:
    with pytest.raises(ParseError) as caught:
        smtpdconf.edit("smtpd.conf", f"a: b\n{line}\n".encode(), [])
    assert caught.value.line == 2
    assert "words" not in str(caught.value)


# saslauthd's defaults


def test_of_two_assignments_the_last_counts() -> None:
    data = b"THREADS=5\nexport THREADS='7'  # seven\n"
    assert shellvars.read("saslauthd", data)["THREADS"] == "7"
    after = shellvars.edit("saslauthd", data, [shellvars.SetVariable("THREADS", "9")])
    assert after == b"THREADS=5\nexport THREADS=9  # seven\n"


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("5;", "5"),
        ('"a;b"', "a;b"),
        ("';'", ";"),
        ("", ""),
        ("a # b", "a"),
        ("a; B=c", "a"),
        ('"a\nB=c"', "a\nB=c"),
        ('"a \\\n b"', "a  b"),
        ('"\\\\\n"', "\\\n"),
        ("'\n#'", "\n#"),
    ],
)
def test_what_sh_takes_as_the_value(written: str, value: str) -> None:
    assert shellvars.read("d", f"X={written}\n".encode())["X"] == value
    done = subprocess.run(["sh", "-c", f'X={written}\nprintf %s "$X"'], capture_output=True, check=True)
    assert done.stdout.decode() == value


@settings(deadline=None, max_examples=60)
@given(value=st.text(max_size=12))
def test_sh_reads_the_value_that_was_set_or_it_is_refused(value: str) -> None:
    try:
        data = shellvars.edit("d", b"X=1\n", [shellvars.SetVariable("X", value)])
    except (WizardError, UnicodeEncodeError):
        assert not re.fullmatch(r"[A-Za-z0-9 /._=-]*", value)
        return
    assert shellvars.read("d", data)["X"] == value
    if "\0" not in value:
        done = subprocess.run(["sh", "-c", data.decode() + 'printf %s "$X"'], capture_output=True, check=True)
        assert done.stdout.decode() == value


def test_a_value_of_several_lines_is_edited_as_one() -> None:
    data = b'A=1\nOPTIONS="-c \\\n  -m /x"  # why\nB=2\n'
    after = shellvars.edit("d", data, [shellvars.SetVariable("OPTIONS", "-m /y")])
    assert after == b'A=1\nOPTIONS="-m /y"  # why\nB=2\n'


@pytest.mark.parametrize("value", ['"a', "'a\nB=2", "a\\"])
def test_quotes_that_do_not_end_are_named(value: str) -> None:
    with pytest.raises(ParseError, match="line 2: the quotes in the value of A don't end"):
        shellvars.read("d", f"X=1\nA={value}".encode())


# PAM


def test_a_rule_is_added_before_another_and_taken_out_again() -> None:
    data = b"#%PAM-1.0\nauth\trequired pam_unix.so   nullok\n@include common-account"
    rule = ("auth", "required", "pam_listfile.so", ("item=group",))
    after = pamd.edit("smtp", data, [pamd.AddRule(*rule, index=0)])
    assert after == data.replace(b"auth\t", b"auth required pam_listfile.so item=group\nauth\t")
    assert pamd.read("smtp", after)[0] == pamd.Rule(*rule)
    assert pamd.edit("smtp", after, [pamd.DropRule(*rule)]) == data


# tables


def test_an_entry_is_put_in_place_and_comments_stay() -> None:
    data = b"# c\n[Mail.example.com]:587\told:one\n  goes on\n\n# d\nother x:y"
    assert table.lookup(data, "[mail.example.com]:587") == "old:one  goes on"
    after = table.put(data, "[mail.example.com]:587", "new: pass word")
    assert after == b"# c\n[mail.example.com]:587 new: pass word\n\n# d\nother x:y\n"
    assert table.put(after, "[mail.example.com]:587", "new: pass word") == after
    assert table.put(b"", "a", "b\x85c\u2028d") == "a b\x85c\u2028d\n".encode()


# the lenses by themselves


@pytest.mark.skipif(not shutil.which("augparse"), reason="augparse (augeas-tools) is not installed")
@pytest.mark.parametrize(
    "test", sorted((_REPOSITORY / "recipes/lenses/tests").glob("*.aug")), ids=lambda p: p.stem
)
def test_lens(test: Path) -> None:
    subprocess.run(
        ["augparse", "--nostdinc", "--include", str(_REPOSITORY / "recipes/lenses"), str(test)],
        check=True,
        timeout=60,
    )
