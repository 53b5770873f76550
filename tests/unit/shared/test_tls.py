"""TLS on the HTTP port, with certificates of a CA that is made here."""

import asyncio
import contextlib
import os
import signal
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from fastapi import FastAPI
from pydantic import ValidationError

from shared.http import serve
from shared.settings import ServiceSettings
from tests.unit.shared.test_server import for_ever, free_settings


class Authority:
    """A CA; its own certificate is `<name>.pem`."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._key, self._name = folder, ec.generate_private_key(ec.SECP256R1()), name
        self.path = self._write(name, self._certificate(name, self._key, ca=True), self._key)[0]

    def issue(self, name: str) -> tuple[Path, Path]:
        """Certificate and key for 127.0.0.1."""
        key = ec.generate_private_key(ec.SECP256R1())
        return self._write(name, self._certificate(name, key, ca=False), key)

    def _certificate(self, name: str, key: ec.EllipticCurvePrivateKey, *, ca: bool) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(_named(name))
            .issuer_name(_named(self._name))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        )
        return builder.sign(self._key, hashes.SHA256())

    def _write(self, name: str, made: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> tuple[Path, Path]:
        certificate, private = self._folder / f"{name}.pem", self._folder / f"{name}.key"
        certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
        plain = serialization.NoEncryption()
        form = serialization.PrivateFormat.PKCS8
        private.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, plain))
        return certificate, private


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "ours")


@contextlib.asynccontextmanager
async def serving(authority: Authority, client_ca: Path | None = None) -> AsyncIterator[str]:
    """The address of an app behind TLS that answers on /hello."""
    certificate, key = authority.issue("server")
    settings = free_settings().model_copy(
        update={"tls_certificate": certificate, "tls_key": key, "tls_client_ca": client_ca}
    )
    app = FastAPI()
    app.get("/hello")(lambda: "hello")
    task = asyncio.create_task(serve(app, settings, for_ever()))
    await asyncio.sleep(0.3)
    yield f"https://127.0.0.1:{settings.port}/hello"
    os.kill(os.getpid(), signal.SIGTERM)
    await task


def trusting(authority: Authority, own: tuple[Path, Path] | None = None) -> httpx.AsyncClient:
    context = ssl.create_default_context(cafile=authority.path)
    if own:
        context.load_cert_chain(*own)
    return httpx.AsyncClient(verify=context)


async def test_a_client_that_trusts_the_ca_is_answered_and_plain_http_is_not(authority: Authority) -> None:
    async with serving(authority) as address, trusting(authority) as client:
        answer = await client.get(address)
        assert (answer.status_code, answer.json()) == (200, "hello")
        with pytest.raises(httpx.TransportError):
            await client.get(address.replace("https", "http"))


async def test_with_a_client_ca_only_its_certificates_are_let_in(authority: Authority, tmp_path: Path) -> None:
    stranger = Authority(tmp_path, "theirs").issue("stranger")
    async with serving(authority, authority.path) as address:
        async with trusting(authority, authority.issue("client")) as client:
            assert (await client.get(address)).status_code == 200
        for own in (None, stranger):
            async with trusting(authority, own) as client:
                with pytest.raises(httpx.TransportError):
                    await client.get(address)


async def test_a_certificate_that_can_not_be_read_is_exit_code_1(tmp_path: Path) -> None:
    missing = {"tls_certificate": tmp_path / "none.pem", "tls_key": tmp_path / "none.key"}
    with pytest.raises(SystemExit) as ended:
        await serve(FastAPI(), free_settings().model_copy(update=missing), for_ever())
    assert ended.value.code == 1


@pytest.mark.parametrize("half", [{"tls_certificate": "a"}, {"tls_key": "a"}, {"tls_client_ca": "a"}])
def test_half_of_tls_is_refused(half: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="tls_key"):
        ServiceSettings.model_validate(half)
