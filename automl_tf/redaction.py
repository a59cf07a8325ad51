"""Removal of credentials from URLs and messages: the one place that decides what may be shown.

A URL is parsed, and what is on an allow-list is shown: scheme, hosts, ports, path and harmless
options. Everything else becomes ``***``. Where a URL can be read in two ways, nothing is shown.
"""

import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from urllib.parse import quote, quote_plus, unquote, unquote_plus

HIDDEN = "***"
"""Stands in place of a credential."""

SEPARATOR = "://"
MIN_ANYWHERE = 4
"""Characters of the shortest credential that is removed from a message within words too."""

_FILES = frozenset(("sqlite", "file"))
"""Schemes whose path is a file name, which may hold any character."""

_SCHEME = re.compile(
    r"(?:https?|file|sqlite|postgres(?:ql)?|mysql|mariadb|mssql|s3|gs|wasbs?|abfss?|hdfs|dbfs|s?ftp|"
    r"ray|models|runs|mlflow-artifacts|databricks(?:-uc)?|uc)(?:\+\w+)?",
    re.IGNORECASE,
)
_HARMLESS = (
    r"sslmode|connect_timeout|application_name|target_session_attrs|channel_binding|gssencmode|"
    r"client_encoding|charset|keepalives(?:_idle|_interval|_count)?|tcp_user_timeout|host|hostaddr|"
    r"port|dbname|mode|cache|nolock|immutable|timeout"
)
_HARMLESS_OPTION = re.compile(rf"(?:{_HARMLESS})=[\w./:,-]*")
_CREDENTIAL = (
    r"[\w-]*(?:passw\w*|pwd|token|secret\w*|credentials?|signature|authorization|"
    r"(?:api|access|account)[_-]?key)"
)
_OPTION_NAME = re.compile(rf"{_CREDENTIAL}|user|{_HARMLESS}", re.IGNORECASE)

_SECRET_VARIABLES = (
    "PGPASSWORD",
    "MLFLOW_TRACKING_PASSWORD",
    "MLFLOW_TRACKING_TOKEN",
    "DATABRICKS_TOKEN",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AZURE_STORAGE_ACCESS_KEY",
    "AZURE_STORAGE_CONNECTION_STRING",
    "HF_TOKEN",
)

_DELIMITERS = re.compile(r"[:/?#@&=;,\s]|%[0-9A-Fa-f]{2}")
_HOST = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|(?:[\w.-]|%[0-9A-Fa-f]{2})*)(?::[0-9]*)?")
_PATH = re.compile(r"(?:/(?!/)[\w.~%+,:$!*()-]*)*/?")
_QUERY = re.compile(r"[\w.-]+=[^&=?]*(?:&[\w.-]+=[^&=?]*)*")
_PLAIN = re.compile(r"(?:databricks|[\w.~ -]*[./][\w./~ -]*)?")
_URL_IN_TEXT = re.compile(r"(?:[A-Za-z][\w.+-]*)?://")
_USER_WITHOUT_URL = re.compile(r"(?<![\w/])[\w.%+-]*:(?!//)\S+@")
_SECRET_IN_TEXT = re.compile(
    rf"((?<![\w-]){_CREDENTIAL}[\"']?\s*[=:]\s*(?:(?:bearer|basic)\s+)?)"
    r"(\"[^\"]*\"|'[^']*'|[^\s&\"',;)]+)",
    re.IGNORECASE,
)
_END_OF_URL = re.compile(r"[\s\"'<>`]")
_PUNCTUATION = ".,:;)"


@dataclass(frozen=True)
class _Redacted:
    """A URL that is divided into what is shown and what is not.

    Attributes:
        shown: The URL with ``***`` in place of the hidden parts.
        hidden: The hidden parts.
    """

    shown: str
    hidden: Sequence[str] = ()


def redact_url(url: str) -> str:
    """Returns a URL with everything hidden that is not known to be harmless.

    Args:
        url: One URL, or the name of a file or profile that stands in place of one.
    """
    return _redacted(url).shown


def without_credentials(url: str) -> str:
    """Returns a redacted URL that does not say whether it had a user or password."""
    return redact_url(url).replace(f"{SEPARATOR}{HIDDEN}@", SEPARATOR)


def redact_message(text: str, *urls: str) -> str:
    """Returns a message without credentials.

    It redacts every URL in the message, options such as ``password=...``, and the values of the
    environment variables that hold the credentials of databases and servers.

    Args:
        text: The message, such as that of a driver.
        urls: URLs whose credentials the message may repeat in any form.
    """
    secrets = {os.environ.get(name, "") for name in _SECRET_VARIABLES}
    for url in sorted(urls, key=len, reverse=True):
        redacted = _redacted(url)
        if redacted.hidden:
            text = text.replace(url, redacted.shown)
        secrets.update(part for hidden in redacted.hidden for part in _parts(hidden))
    text = _without(text, secrets)
    text = "\n".join(_redact_line(line) for line in text.split("\n"))
    text = _USER_WITHOUT_URL.sub(f"{HIDDEN}@", text)
    return _SECRET_IN_TEXT.sub(rf"\1{HIDDEN}", text)


def _redacted(url: str) -> _Redacted:
    scheme, separator, rest = url.partition(SEPARATOR)
    if not separator:
        return _Redacted(url) if _PLAIN.fullmatch(url) else _Redacted(HIDDEN, [url])
    if not _SCHEME.fullmatch(scheme):
        return _Redacted(HIDDEN, [url])
    parsed = _parsed_file(rest) if _is_file(scheme, rest) else _parsed_location(rest)
    if parsed is None:
        return _Redacted(f"{scheme}{SEPARATOR}{HIDDEN}", [rest])
    return _Redacted(f"{scheme}{SEPARATOR}{parsed.shown}", parsed.hidden)


def _is_file(scheme: str, rest: str) -> bool:
    return scheme.partition("+")[0].lower() in _FILES and rest.startswith("/")


def _parsed_file(rest: str) -> _Redacted | None:
    path, _, query = rest.partition("?")
    if SEPARATOR in path:
        return None
    options = _parsed_query(query)
    return _Redacted(path + options.shown, options.hidden)


def _parsed_location(rest: str) -> _Redacted | None:
    """Parses a URL after the scheme; returns None if it is not certain where its host begins."""
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    tail = rest[len(authority) :]
    path, _, query = tail.partition("?")
    if "@" in tail and (":" in authority or "@" in path or not _QUERY.fullmatch(query)):
        return None
    user, at, hosts = authority.rpartition("@")
    if not all(_HOST.fullmatch(host) for host in hosts.split(",")):
        return None
    is_plain = _PATH.fullmatch(path) is not None
    options = _parsed_query(query)
    shown = f"{HIDDEN if user else ''}{at}{hosts}{path if is_plain else f'/{HIDDEN}'}"
    if not (is_plain and not options.hidden):  # a delimiter may belong to either part
        return _Redacted(shown + options.shown, [user, tail])
    return _Redacted(shown + options.shown, [user] if user else [])


def _parsed_query(query: str) -> _Redacted:
    if not query:
        return _Redacted("")
    options = [
        option if _HARMLESS_OPTION.fullmatch(option) else HIDDEN for option in query.split("&")
    ]
    return _Redacted(f"?{'&'.join(options)}", [query] if HIDDEN in options else [])


def _redact_line(line: str) -> str:
    """Redacts the URLs of one line; one with a user reaches to the last ``@`` of the line."""
    shown, start = [], 0
    while (found := _URL_IN_TEXT.search(line, start)) is not None:
        scheme = found.group().removesuffix(SEPARATOR)
        at = -1 if _is_file(scheme, line[found.end() :]) else line.rfind("@", found.end())
        end = _END_OF_URL.search(line, max(at, found.end()))
        rest = line[found.end() : end.start() if end else len(line)].rstrip(_PUNCTUATION)
        shown += [line[start : found.start()], redact_url(found.group() + rest)]
        start = found.end() + len(rest)
    return "".join([*shown, line[start:]])


def _parts(hidden: str) -> Iterator[str]:
    """Everything between two delimiters of a hidden part: any of it may be the credential."""
    cuts = [(0, 0), *(found.span() for found in _DELIMITERS.finditer(hidden))]
    for (_, start), (end, _) in combinations([*cuts, (len(hidden), len(hidden))], 2):
        part = hidden[start:end]
        if not _OPTION_NAME.fullmatch(part):
            yield part


def _without(text: str, secrets: Iterable[str]) -> str:
    """Returns a text without secrets, however they are written; the longest go first."""
    forms = {form for secret in secrets for form in _forms(secret)}
    for form in sorted(forms, key=len, reverse=True):
        if len(form) >= MIN_ANYWHERE:
            text = text.replace(form, HIDDEN)
        else:
            text = re.sub(rf"(?<!\w){re.escape(form)}(?!\w)", HIDDEN, text)
    return text


def _forms(secret: str) -> set[str]:
    """The ways in which a driver may write a secret: decoded, encoded, escaped."""
    plain = {secret, unquote(secret), unquote_plus(secret)}
    encoded = {f(text) for text in plain for f in (quote, quote_plus, _quote_all)}
    escaped = {f(text)[1:-1] for text in plain for f in (repr, ascii, json.dumps)}
    return {
        form
        for form in plain | encoded | escaped
        if len(form.strip()) >= MIN_ANYWHERE or any(map(str.isalnum, form))
    }


def _quote_all(text: str) -> str:
    return quote(text, safe="")
