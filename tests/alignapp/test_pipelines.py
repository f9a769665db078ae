"""Statements in one message; tests/test_postgresql.py runs this on PostgreSQL too, where there is a message."""

from __future__ import annotations

import pytest
from django.db import DataError, IntegrityError, connection, transaction

from alignapp.accounts.models import User
from alignapp.pipelines import pipelined
from tests.factories import make_user

pytestmark = pytest.mark.django_db(transaction=True)
on_postgresql = pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite answers at once")


def test_each_statement_sees_what_those_before_it_did():
    make_user("ada")
    with pipelined(), connection.cursor() as cursor:
        User.objects.filter(username="ada").update(username="bea")
        cursor.execute("SELECT username FROM accounts_user")
        assert User.objects.filter(username="bea").exists()
        assert cursor.fetchall() == [("bea",)]


def test_what_a_statement_breaks_is_raised_as_djangos_error_and_rolled_back():
    make_user("ada")
    make_user("bea")
    with pytest.raises(IntegrityError):
        give_both_the_same_name()
    assert set(User.objects.values_list("username", "email")) == {("ada", ""), ("bea", "")}


def test_an_inner_block_is_part_of_the_outer_one():
    make_user("ada")
    with pipelined():
        with pipelined():
            User.objects.update(username="bea")
        User.objects.update(email="bea@example.org")
    assert User.objects.filter(username="bea", email="bea@example.org").exists()


def give_both_the_same_name() -> None:
    with transaction.atomic(), pipelined():
        User.objects.filter(username="ada").update(email="ada@example.org")
        User.objects.filter(username="bea").update(username="ada")


@on_postgresql
def test_nothing_is_waited_for_before_a_row_is_asked_of_it():
    """A division by zero is not yet known when it has been sent."""
    done = []

    def divide() -> None:
        with pipelined(), connection.cursor() as cursor:
            cursor.execute("SELECT 1 / 0")
            done.append("sent")

    with pytest.raises(DataError):
        divide()
    assert done == ["sent"]
