"""No credential is shown, whatever it is made of and wherever it stands."""

import random
from urllib.parse import quote

import pytest
import sqlalchemy

from automl_tf.redaction import HIDDEN, redact_message, redact_url, without_credentials

SECRET = "s3cr3t-Pa55"
URLS = [
    "http://ann:{}@mlflow.example:5000",
    "https://{}@mlflow.example/path",
    "https://{}:@mlflow.example/path",
    "postgresql+psycopg://ann:{}@db/mlflow",
    "postgresql://ann:{}@with/signs@db/mlflow",
    "postgresql://ann:some/{}@db/mlflow",
    "postgresql://ann:some@{}@db/mlflow",
    "postgresql://ann:some?x={}@db/mlflow",
    "postgresql://ann:some#{}@db/mlflow",
    "postgresql://ann:{}@host:port/db",
    "postgresql://ann:{}",
    "postgresql://db/mlflow?user=ann&password={}&sslmode=require",
    "postgresql://db/mlflow?password=se@{}",
    "postgresql://db/mlflow?password={}@cret",
    "postgresql://db:5432/mlflow?password={}@cret",
    "postgresql://db/mlflow?sslpassword={}",
    "postgresql://db/mlflow?options=-cpassword%3D{}",
    "postgresql://ann:{}@one:5432,two:5433/mlflow",
    "postgresql://ann:{}@/mlflow?host=one:5432&host=two",
    "postgresql://ann:{}@[::1]:5432/mlflow",
    "https://x.example/a?api_key={}",
    "https://x.example/a?apikey={}#{}",
    "https://x.example/a#access_token={}",
    "https://x.example/a;password={}",
    "https://x.example/a?{}",
    "mysql://ann:{}@host/db",
    "unknown://ann:{}@host/db",
    "ann:{}@host/db",
    "file:x?password={}",
    "sqlite:////home/a@b/studies.db?password={}",
    "sqlite:///file:x?mode=ro&key={}",
    "s3://KEY:{}@bucket/path",
    "s3://KEY:se/{}@bucket/path",
    "s3://bucket/path?X-Amz-Signature={}",
    "databricks://token:{}@host",
    "databricks://{}@profile",
    "jdbc:sqlserver://host;password={}",
    "://{}@",
    "password={}",
]
ODD = "@:/?#&=%+ $!*'\"\\[]{}()<>,;.~^|`äß東🎉"


@pytest.mark.parametrize("url", URLS)
def test_no_credential_of_a_url_is_shown(url: str) -> None:
    url = url.replace("{}", SECRET)
    for text in (redact_url(url), without_credentials(url)):
        assert SECRET not in text
    for message in (
        f"failed: {url}",
        f"cannot open '{url}' (see {url}): refused",
        f"could not parse {url!r}.\nThe second line tells of {url}, too.",
        f"invalid value {SECRET!r} of a connection option",
    ):
        assert SECRET not in redact_message(message, url)
    assert SECRET not in redact_message(f"failed: {url}: refused")


def odd_password(rng: random.Random) -> str:
    letters = ODD + "abcXYZ0189"
    return "".join(rng.choice(letters) for _ in range(rng.randint(6, 14)))


def shows(text: str, secret: str) -> bool:
    """Whether a text holds a secret as it is or quoted."""
    return any(form in text for form in (secret, quote(secret), quote(secret, safe="")))


@pytest.mark.parametrize("url", [url for url in URLS if url.count("{}") == 1])
def test_random_credentials_are_never_shown(url: str) -> None:
    rng = random.Random(url)
    for _ in range(50):
        secret = odd_password(rng)
        for written in (secret, quote(secret, safe="")):
            whole = url.replace("{}", written)
            message = f"cannot connect to {whole}: {written!r} or {secret} is wrong"
            assert not shows(redact_url(whole), secret), whole
            assert not shows(redact_message(message, whole), secret), whole


def test_a_driver_that_repeats_the_password_in_another_form_shows_nothing() -> None:
    rng = random.Random(1)
    for _ in range(50):
        secret = odd_password(rng)
        url = f"postgresql://ann:{quote(secret, safe='')}@db/studies"
        parsed = sqlalchemy.make_url(url)
        assert parsed.password == secret
        for text in (parsed.password, repr(parsed.password), quote(secret), str(parsed)):
            message = redact_message(f'authentication failed for "ann" with {text}', url)
            assert secret not in message
            assert quote(secret) not in message


def test_credentials_of_the_environment_are_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PGPASSWORD", "MLFLOW_TRACKING_PASSWORD", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, SECRET)
        assert redact_message(f"what is {SECRET}?") == f"what is {HIDDEN}?"
        monkeypatch.delenv(name)


@pytest.mark.parametrize(
    "text",
    [
        f"password={SECRET}",
        f"api_key = '{SECRET} {SECRET}'",
        f"Authorization: Bearer {SECRET}",
        f'{{"token": "{SECRET}", "a": 1}}',
        f"Max retries exceeded with url: /api?access_token={SECRET}&x=1",
        f"AccountKey={SECRET};EndpointSuffix=core",
    ],
)
def test_options_that_name_a_credential_are_removed(text: str) -> None:
    assert SECRET not in redact_message(text)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:5000",
        "http://[::1]:5000/mlflow",
        "https://mlflow.example.org/team/ui",
        "sqlite:////home/a/runs/mlflow.db",
        "sqlite:////home/a@b/my studies/x=1.db",
        "sqlite:///C:/Users/ann/studies.db",
        "sqlite://",
        "postgresql:///db",
        "postgresql://host:5432/db",
        "postgresql://one:5432,two:5433/db?sslmode=require&target_session_attrs=primary",
        "postgresql:///db?host=/var/run/postgresql",
        "postgresql://%2Fvar%2Frun/db",
        "s3://bucket/a/b",
        "databricks",
        "databricks://profile",
        "runs/studies.db",
        "",
    ],
)
def test_a_url_without_credentials_is_shown_as_it_is(url: str) -> None:
    assert redact_url(url) == without_credentials(url) == url
    assert redact_message(f"cannot reach {url}: refused", url) == f"cannot reach {url}: refused"
    assert redact_message(f"cannot reach '{url}'. Is it there?") == (
        f"cannot reach '{url}'. Is it there?"
    )


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://ann:x@h:1/p", "http://***@h:1/p"),
        ("postgresql://h/db?password=se@cret&sslmode=on", "postgresql://h/db?***&sslmode=on"),
        ("postgresql://ann:a@b@h/db", "postgresql://***@h/db"),
        ("postgresql://ann:a/b@h/db", "postgresql://***"),
        ("https://h/p?api_key=x", "https://h/p?***"),
        ("nonsense://h/p", "***"),
        ("databricks://scope:prefix", "databricks://***"),
    ],
)
def test_the_harmless_parts_stay(url: str, shown: str) -> None:
    assert redact_url(url) == shown


def test_two_urls_of_a_message_are_shown_without_their_users() -> None:
    text = "failed: http://ann:x1y2@h:1/api (see http://h:2/x)"
    assert redact_message(text) == "failed: http://***@h:1/api (see http://h:2/x)"
