"""Addresses that only take what a form sends, opened as a page: by hand, or after a log-in in between."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponseBase, HttpResponseNotAllowed
from django.shortcuts import render
from django.utils.deprecation import MiddlewareMixin


class FormAddressMiddleware(MiddlewareMixin):
    """Gives the empty 405 answer to a GET a page that says what happened."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        if request.method != "GET" or not isinstance(response, HttpResponseNotAllowed):
            return response
        page = render(request, "405.html", status=405)
        page["Allow"] = response["Allow"]
        return page
