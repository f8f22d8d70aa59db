"""Whose a request is: of a key in its Authorization header, of the site's cookie, or without keys of an address."""

from __future__ import annotations

import secrets

from flask import request
from werkzeug.wrappers import Response

from clearvision.apps.web.keys import SESSION_SECONDS, Gate, Key
from clearvision.apps.web.problems import Problem

SESSION, FORM = "clearvision_session", "clearvision_form"  # cookies
TOKEN = "form_token"


def owner(gate: Gate) -> str:
    """Return who sends the API request in hand.

    Raises:
        Problem: if a key is needed and a right one is not there.
    """
    if gate.open:
        return address()
    scheme, _, presented = request.headers.get("Authorization", "").partition(" ")
    holder = gate.holder(presented.strip()) if scheme.lower() == "bearer" else None
    if holder is None:
        raise Problem("key-needed", "send a key of this server as 'Authorization: Bearer KEY'")
    return f"key {holder.name}"


def guest(gate: Gate) -> str | None:
    """Return who looks at the site, or None for somebody who has yet to show a key."""
    if gate.open:
        return address()
    holder = gate.holder_of_session(request.cookies.get(SESSION, ""))
    return None if holder is None else f"key {holder.name}"


def address() -> str:
    """Return the address of the client."""
    return f"address {request.remote_addr}"


def remember(response: Response, gate: Gate, key: Key) -> None:
    """Let a browser keep what stands for a key; no script sees it, and no other site's page sends it."""
    response.set_cookie(
        SESSION, gate.session(key), max_age=SESSION_SECONDS, httponly=True, samesite="Strict", secure=request.is_secure
    )


def forget(response: Response) -> None:
    """Have a browser throw that away."""
    response.delete_cookie(SESSION, httponly=True, samesite="Strict", secure=request.is_secure)


def form_cookie() -> str:
    """Return the value of the cookie that forms are bound to; a new one if the browser has none yet."""
    found = request.cookies.get(FORM, "")
    return found if 20 <= len(found) <= 64 else secrets.token_urlsafe(24)


def give_form_cookie(response: Response, value: str) -> None:
    """Let a browser keep that value; it is sent along when a link leads here, but with no form of another site."""
    if request.cookies.get(FORM) != value:
        response.set_cookie(FORM, value, httponly=True, samesite="Lax", secure=request.is_secure)


def check_form(gate: Gate, token: str | None) -> None:
    """Raise a problem unless a form came from a page of ours in the same browser."""
    if not gate.is_form_token(token or "", request.cookies.get(FORM, "")):
        raise Problem("form-expired", "the page was open for too long, or cookies are off; open it again and send the form anew")
