"""The page where a payer enters a card. It needs no JavaScript, and charges once however often it is sent."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, urlencode, urlsplit

from flask import Blueprint, Response, abort, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from app.core.locales import reader_locale
from app.core.money import Money
from app.providers.payments.simulator import cards, intents
from app.providers.payments.simulator.courier import Courier
from app.providers.payments.simulator.refusals import Refusal
from app.providers.payments.simulator.store import Object, Store
from app.providers.payments.units import from_stripe

_HOST = re.compile(r"[a-z0-9.-]{1,253}|\[[0-9a-f:.]{2,45}\]", re.ASCII)
_PLAIN = re.compile(r"[!-\[\]-~]{1,2000}", re.ASCII)  # without spaces, controls and the backslash


class Page:
    """The hosted payment page; it sends payers back to `base_domain` and the hosts below it only."""

    def __init__(self, store: Store, courier: Courier, *, base_domain: str) -> None:
        self._store, self._courier, self._base_domain = store, courier, base_domain.lower()

    def blueprint(self) -> Blueprint:
        page = Blueprint("page", __name__)
        page.get("/pay/<secret>")(self.show)
        page.post("/pay/<secret>")(self.pay)
        page.get("/pay/<secret>/authenticate")(self.challenge)
        page.post("/pay/<secret>/authenticate")(self.authenticate)
        return page

    def show(self, secret: str) -> ResponseReturnValue:
        intent, back = self._asked(secret)
        return self._moved_on(intent, back) or self._form(intent, back, {})

    def pay(self, secret: str) -> ResponseReturnValue:
        intent, back = self._asked(secret)
        form = {name: request.form.get(name, "")[:40] for name in ("number", "expiry", "cvc")}
        try:
            with self._store.change() as change:
                # Read again inside: of two clicks at once the second finds the first one's outcome.
                intent = change.get(intent["id"]) or intent
                moved_on = self._moved_on(intent, back)
                if moved_on is not None:
                    return moved_on
                method = intents.enter_card(
                    change, form["number"], *cards.read_expiry(form["expiry"]), form["cvc"]
                )
                intent = intents.confirm_with(change, intent, method, back)
        except Refusal as refusal:
            return self._form(intent, back, form, refusal), 422
        self._courier.send_early()
        return self._moved_on(intent, back) or self._again(intent, back)

    def challenge(self, secret: str) -> ResponseReturnValue:
        intent, back = self._asked(secret)
        if intent["status"] != "requires_action":
            return self._moved_on(intent, back) or self._again(intent, back)
        return render_template("authenticate.html", amount=_amount(intent), intent=intent, back=back)

    def authenticate(self, secret: str) -> ResponseReturnValue:
        intent, back = self._asked(secret)
        with self._store.change() as change:
            intent = change.get(intent["id"]) or intent
            intent = intents.authenticate(change, intent, passed=request.form.get("outcome") == "complete")
        self._courier.send_early()
        return self._moved_on(intent, back) or self._again(intent, back)

    def _asked(self, secret: str) -> tuple[Object, str | None]:
        """The payment that the address names, and where its payer goes afterwards."""
        intent = intents.by_secret(self._store, secret)
        if intent is None:
            abort(404)
        url = request.args.get("return_url", "")
        back = checked_return(url, self._base_domain) if url else None
        if url and back is None:
            abort(400)
        g.form_target = _origin(back) if back else ""
        return intent, back

    def _moved_on(self, intent: Object, back: str | None) -> ResponseReturnValue | None:
        """Where a payer belongs who has nothing to enter here (any more); None while a card is wanted."""
        status = intent["status"]
        if status == "requires_action":
            return redirect(url_for("page.challenge", secret=intent["client_secret"], return_url=back), 303)
        if status not in {"succeeded", "canceled"}:
            return None
        if back is not None:
            outcome = "succeeded" if status == "succeeded" else "failed"
            return redirect(_with(back, payment_intent=intent["id"], redirect_status=outcome), 303)
        return render_template("done.html", amount=_amount(intent), intent=intent)

    def _again(self, intent: Object, back: str | None) -> ResponseReturnValue:
        return redirect(url_for("page.show", secret=intent["client_secret"], return_url=back), 303)

    def _form(
        self, intent: Object, back: str | None, form: dict[str, str], refusal: Refusal | None = None
    ) -> str:
        failure = intent["last_payment_error"] if refusal is None else refusal.error
        return render_template(
            "pay.html",
            intent=intent,
            amount=_amount(intent),
            back=back,
            form=form,
            failure=_reason(failure) if failure else None,
            field=failure.get("param") if failure else None,
            cards=cards.CARDS,
        )


def checked_return(url: str, base_domain: str) -> str | None:
    """The same address put together anew, or None where it leads anywhere but to us."""
    if not _PLAIN.fullmatch(url):
        return None
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        return None
    literal = f"[{host}]" if ":" in host else host
    ours = literal == base_domain or literal.endswith(f".{base_domain}")
    if parts.scheme not in {"http", "https"} or "@" in parts.netloc or not ours:
        return None
    if not _HOST.fullmatch(literal):
        return None
    return parts._replace(netloc=literal if port is None else f"{literal}:{port}").geturl()


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _with(url: str, **params: str) -> str:
    parts = urlsplit(url)
    return parts._replace(
        query=urlencode([*parse_qsl(parts.query, keep_blank_values=True), *params.items()])
    ).geturl()


def _amount(intent: Object) -> str:
    currency = intent["currency"].upper()
    return Money(from_stripe(intent["amount"], currency), currency).format(reader_locale())


def _reason(error: Object) -> str:
    """Why it did not work, for the payer."""
    reasons = {
        "generic_decline": _("The bank declined this card. Please try another one."),
        "insufficient_funds": _("There is not enough money on this card. Please try another one."),
        "test_mode_live_card": _("This is no test card. Never enter a real one here."),
        "expired_card": _("This card has expired."),
        "incorrect_cvc": _("The security code of this card is not right."),
        "incorrect_number": _("This is no card number."),
        "invalid_expiry_month": _("Please check when the card expires."),
        "invalid_expiry_year": _("Please check when the card expires."),
        "invalid_cvc": _("Please enter the three or four digits of the security code."),
        "payment_intent_authentication_failure": _(
            "The bank could not confirm that it is you. Please try again."
        ),
    }
    for name in ("decline_code", "code"):
        if error.get(name) in reasons:
            return str(reasons[error[name]])
    return str(error["message"])


def secured(response: Response) -> Response:
    """Browsers hold form-action against redirects too, so the shop's address has to be in it."""
    target = g.get("form_target", "")
    response.headers.update(
        {
            "Content-Security-Policy": "; ".join(
                [
                    "default-src 'none'", "style-src 'self'", "img-src 'self' data:",
                    f"form-action 'self' {target}".rstrip(), "base-uri 'none'", "frame-ancestors 'none'",
                ]
            ),
            "X-Frame-Options": "DENY",
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cache-Control": "no-store",
        }
    )  # fmt: skip
    return response
