"""What Stripe does as its official library sees it. Whatever claims to be Stripe passes this suite.

Only calls in which all of them are known to agree with Stripe are here; see `localstripe.py`.
"""

from __future__ import annotations

from typing import Any, Protocol

import pytest
import stripe

from tests.providers.payments.rig import GOOD, KEYS, SECURE, Receiver, client, eventually


class Judged(Protocol):
    """Something that is to be judged: where it listens, its key, and who gets its webhooks."""

    base: str
    key: str
    receiver: Receiver


class StripeContract:
    """Inherited by the suite of each; it brings `judged`."""

    @pytest.fixture
    def client(self, judged: Judged) -> stripe.StripeClient:
        return client(judged.base, judged.key)

    def intent(
        self, client: stripe.StripeClient, number: str | None = None, **more: Any
    ) -> stripe.PaymentIntent:
        params: dict[str, Any] = {"amount": 4000, "currency": "eur", "metadata": {"order": "7"}, **more}
        if number is not None:
            params["payment_method"] = self.card(client, number).id
        return client.v1.payment_intents.create(params)  # type: ignore[arg-type]

    def card(self, client: stripe.StripeClient, number: str) -> stripe.PaymentMethod:
        return client.v1.payment_methods.create(
            {"type": "card", "card": {"number": number, "exp_month": 12, "exp_year": 2034, "cvc": "123"}}
        )

    def paid(self, client: stripe.StripeClient) -> stripe.PaymentIntent:
        return client.v1.payment_intents.confirm(self.intent(client, GOOD).id)

    def test_a_new_intent_waits_for_a_card(self, client: stripe.StripeClient) -> None:
        made = self.intent(client)
        assert made.id.startswith("pi_")
        assert made.client_secret
        assert made.client_secret.startswith(f"{made.id}_secret_")
        assert (made.amount, made.currency, made.status) == (4000, "eur", "requires_payment_method")
        assert (made.livemode, made.object, made.latest_charge) == (False, "payment_intent", None)
        assert made.metadata.to_dict() == {"order": "7"}
        again = client.v1.payment_intents.retrieve(made.id)
        assert (again.id, again.status, again.created) == (made.id, made.status, made.created)

    def test_a_card_shows_four_digits(self, client: stripe.StripeClient) -> None:
        card = self.card(client, GOOD).card
        assert card is not None
        assert (card.brand, card.last4, card.exp_month, card.exp_year) == ("visa", "4242", 12, 2034)

    def test_a_confirmed_intent_is_paid_by_a_charge(self, client: stripe.StripeClient) -> None:
        waiting = self.intent(client, GOOD)
        assert waiting.status == "requires_confirmation"
        paid = client.v1.payment_intents.confirm(waiting.id)
        assert (paid.status, paid.amount) == ("succeeded", 4000)
        shown = client.v1.payment_intents.retrieve(paid.id, {"expand": ["latest_charge"]})
        charge = shown.latest_charge
        assert isinstance(charge, stripe.Charge)
        assert (charge.amount, charge.currency, charge.status) == (4000, "eur", "succeeded")
        assert (charge.paid, charge.captured, charge.refunded, charge.amount_refunded) == (
            True,
            True,
            False,
            0,
        )
        assert charge.payment_intent == paid.id
        booked = client.v1.balance_transactions.retrieve(str(charge.balance_transaction))
        assert (booked.amount, booked.currency, booked.type) == (4000, "eur", "charge")
        assert booked.net == booked.amount - booked.fee

    def test_the_ready_made_card_pays(self, client: stripe.StripeClient) -> None:
        made = client.v1.payment_intents.create(
            {"amount": 500, "currency": "usd", "payment_method": "pm_card_visa", "confirm": True}
        )
        assert (made.status, made.amount) == ("succeeded", 500)

    def test_a_paid_intent_is_not_paid_again(self, client: stripe.StripeClient) -> None:
        paid = self.paid(client)
        with pytest.raises(stripe.InvalidRequestError) as refusal:
            client.v1.payment_intents.confirm(paid.id)
        assert refusal.value.http_status == 400

    def test_3d_secure_asks_the_payer_first(self, client: stripe.StripeClient) -> None:
        asked = client.v1.payment_intents.confirm(self.intent(client, SECURE).id)
        assert asked.status == "requires_action"
        assert asked.next_action is not None
        assert asked.next_action.type in {"use_stripe_sdk", "redirect_to_url"}

    def test_a_canceled_intent_can_not_be_paid(self, client: stripe.StripeClient) -> None:
        canceled = client.v1.payment_intents.cancel(self.intent(client, GOOD).id)
        assert canceled.status == "canceled"
        with pytest.raises(stripe.InvalidRequestError):
            client.v1.payment_intents.confirm(canceled.id)

    def test_a_paid_intent_can_not_be_canceled(self, client: stripe.StripeClient) -> None:
        paid = self.paid(client)
        with pytest.raises(stripe.InvalidRequestError):
            client.v1.payment_intents.cancel(paid.id)
        assert client.v1.payment_intents.retrieve(paid.id).status == "succeeded"

    def test_money_goes_back_in_parts(self, client: stripe.StripeClient) -> None:
        paid = self.paid(client)
        first = client.v1.refunds.create(
            {"payment_intent": paid.id, "amount": 1500, "metadata": {"why": "late"}}
        )
        assert (first.amount, first.currency, first.status) == (1500, "eur", "succeeded")
        assert first.id.startswith("re_")
        assert first.metadata is not None
        assert first.metadata.to_dict() == {"why": "late"}
        client.v1.refunds.create({"payment_intent": paid.id, "amount": 2500})
        shown = client.v1.payment_intents.retrieve(paid.id, {"expand": ["latest_charge"]})
        assert isinstance(shown.latest_charge, stripe.Charge)
        assert (shown.latest_charge.amount_refunded, shown.latest_charge.refunded) == (4000, True)
        listed = client.v1.refunds.list({"payment_intent": paid.id})
        assert sorted(refund.amount for refund in listed.auto_paging_iter()) == [1500, 2500]
        assert client.v1.refunds.retrieve(first.id).amount == 1500
        booked = client.v1.balance_transactions.retrieve(str(first.balance_transaction))
        assert (booked.amount, booked.type) == (-1500, "refund")

    def test_what_was_not_paid_is_not_refunded(self, client: stripe.StripeClient) -> None:
        with pytest.raises(stripe.InvalidRequestError) as refusal:
            client.v1.refunds.create({"payment_intent": self.intent(client).id})
        assert refusal.value.http_status == 400

    @pytest.mark.parametrize("amount", ["-5", "0", "1.5", "many"])
    def test_an_amount_is_a_positive_whole_number(self, client: stripe.StripeClient, amount: str) -> None:
        with pytest.raises(stripe.InvalidRequestError) as refusal:
            self.intent(client, amount=amount)
        assert refusal.value.http_status == 400

    def test_what_does_not_exist_is_not_found(self, client: stripe.StripeClient) -> None:
        with pytest.raises(stripe.InvalidRequestError) as refusal:
            client.v1.payment_intents.retrieve("pi_nobody")
        assert refusal.value.http_status == 404

    def test_a_wrong_key_opens_nothing(self, judged: Judged) -> None:
        with pytest.raises(stripe.AuthenticationError):
            client(judged.base, "rk_test_wrong").v1.payment_intents.retrieve("pi_nobody")

    def test_an_unknown_parameter_is_refused(self, client: stripe.StripeClient) -> None:
        with pytest.raises(stripe.InvalidRequestError):
            self.intent(client, colour="red")

    def test_the_payment_is_told_of_and_signed(self, judged: Judged, client: stripe.StripeClient) -> None:
        paid = self.paid(client)
        delivery = eventually(
            lambda: next(
                (
                    item
                    for item in judged.receiver.deliveries
                    if item.event.type == "payment_intent.succeeded"
                    and item.event.data.object["id"] == paid.id
                ),
                None,
            )
        )
        assert delivery.event.data.object["status"] == "succeeded"
        assert client.v1.events.retrieve(delivery.event.id).type == "payment_intent.succeeded"
        changed = delivery.body.replace(b"4000", b"4001")
        assert changed != delivery.body
        with pytest.raises(stripe.SignatureVerificationError):
            stripe.Webhook.construct_event(changed, delivery.signature, KEYS.webhook)
