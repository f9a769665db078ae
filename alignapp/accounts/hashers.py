"""How passwords are stored."""

from __future__ import annotations

from threading import BoundedSemaphore

from django.contrib.auth.hashers import Argon2PasswordHasher

_at_once = BoundedSemaphore(2)


class FrugalArgon2(Argon2PasswordHasher):
    """Argon2id with the memory that OWASP's password storage cheat sheet asks for (19 MiB, two passes, one lane).

    Django's default takes 100 MiB for each log-in: ten people who log in at once take a gigabyte of the web process.
    Here two at once are computed and the others wait their turn. Passwords that were stored with other parameters
    still work, and are stored anew at the next log-in.
    """

    time_cost = 2
    memory_cost = 19 * 1024
    parallelism = 1

    def encode(self, password: str, salt: str) -> str:
        with _at_once:
            return super().encode(password, salt)

    def verify(self, password: str, encoded: str) -> bool:
        with _at_once:
            return super().verify(password, encoded)
