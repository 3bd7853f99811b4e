"""Stripe's objects when they are new, with all their members."""

from __future__ import annotations

from typing import Any

from app.core.money import half_up
from app.providers.payments.simulator.cards import TestCard
from app.providers.payments.simulator.store import Object, new_id, now
from app.providers.payments.units import places, stripe_step

AVAILABLE_AFTER = 2 * 86_400
EVIDENCE_WITHIN = 21 * 86_400
DISPUTE_FEE = 1500

# Members that are there and empty, with what is built here.
_NOTHING_OF_AN_INTENT = [
    "application", "application_fee_amount", "automatic_payment_methods", "canceled_at",
    "cancellation_reason", "customer", "customer_account", "excluded_payment_method_types",
    "last_payment_error", "latest_charge", "next_action", "on_behalf_of", "payment_method",
    "payment_method_configuration_details", "processing", "review", "setup_future_usage", "shipping",
    "source", "statement_descriptor", "statement_descriptor_suffix", "transfer_data", "transfer_group",
]  # fmt: skip
_NOTHING_OF_A_CHARGE = [
    "application", "application_fee", "application_fee_amount", "balance_transaction", "customer",
    "failure_balance_transaction", "on_behalf_of", "receipt_number", "receipt_url", "review", "shipping",
    "source", "source_transfer", "statement_descriptor", "statement_descriptor_suffix", "transfer_data",
    "transfer_group",
]  # fmt: skip
_NOTHING_OF_A_CHARGED_CARD = [
    "authorization_code", "installments", "mandate", "network_transaction_id", "regulated_status",
    "transaction_link_id", "wallet",
]  # fmt: skip
_EVIDENCE = [
    "access_activity_log", "billing_address", "cancellation_policy", "cancellation_policy_disclosure",
    "cancellation_rebuttal", "customer_communication", "customer_email_address", "customer_name",
    "customer_purchase_ip", "customer_signature", "duplicate_charge_documentation",
    "duplicate_charge_explanation", "duplicate_charge_id", "product_description", "receipt",
    "refund_policy", "refund_policy_disclosure", "refund_refusal_explanation", "service_date",
    "service_documentation", "shipping_address", "shipping_carrier", "shipping_date",
    "shipping_documentation", "shipping_tracking_number", "uncategorized_file", "uncategorized_text",
]  # fmt: skip
_PENDING_REFERENCE = {
    "reference_status": "pending", "reference_type": "acquirer_reference_number", "type": "refund",
}  # fmt: skip
_ADDRESS: dict[str, None] = dict.fromkeys(["city", "country", "line1", "line2", "postal_code", "state"])
_CHECKS = {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "pass"}


def fee(amount: int, currency: str) -> int:
    """2.9 % and 30 of the smallest units (300 where there are three decimal places), in whole steps."""
    fixed = 300 if places(currency) == 3 else 30
    whole = half_up(amount * 29, 1000) + fixed
    step = stripe_step(currency) if places(currency) == 2 else 1
    return -(-whole // step) * step


def payment_intent(amount: int, currency: str, **given: Any) -> Object:
    intent_id = new_id("pi")
    return {
        **dict.fromkeys(_NOTHING_OF_AN_INTENT),
        "id": intent_id,
        "object": "payment_intent",
        "amount": amount,
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": 0,
        "client_secret": f"{intent_id}_{new_id('secret')}",
        "confirmation_method": "automatic",
        "created": now(),
        "currency": currency,
        "livemode": False,
        "managed_payments": {"enabled": False},
        "payment_method_options": {},
        "status": "requires_payment_method",
        **given,
    }


def payment_method(card: TestCard, exp_month: int, exp_year: int) -> Object:
    return {
        "id": new_id("pm"),
        "object": "payment_method",
        "allow_redisplay": "unspecified",
        "billing_details": {
            "address": dict(_ADDRESS), "email": None, "name": None, "phone": None, "tax_id": None,
        },
        "card": {
            "brand": "visa",
            "checks": dict(_CHECKS),
            "country": "US",
            "display_brand": "visa",
            "exp_month": exp_month,
            "exp_year": exp_year,
            "fingerprint": f"simulated{card.last4}",
            "funding": "credit",
            "generated_from": None,
            "last4": card.last4,
            "networks": {"available": ["visa"], "preferred": None},
            "regulated_status": None,
            "three_d_secure_usage": {"supported": True},
            "wallet": None,
        },
        "created": now(),
        "customer": None,
        "customer_account": None,
        "livemode": False,
        "metadata": {},
        "type": "card",
    }  # fmt: skip


def charge(intent: Object, method: Object, *, refused: TestCard | None, authenticated: bool) -> Object:
    """The attempt to take the intent's amount from a card, refused by its issuer or not."""
    card = _charged_card(intent, method, authenticated=authenticated, refused=refused)
    return {
        **dict.fromkeys(_NOTHING_OF_A_CHARGE),
        "id": new_id("ch"),
        "object": "charge",
        "amount": intent["amount"],
        "amount_captured": 0 if refused else intent["amount"],
        "amount_refunded": 0,
        "billing_details": method["billing_details"],
        "calculated_statement_descriptor": "WEMASTER SIMULATOR",
        "captured": refused is None,
        "created": now(),
        "currency": intent["currency"],
        "description": intent["description"],
        "disputed": False,
        "failure_code": refused.code if refused else None,
        "failure_message": refused.message if refused else None,
        "fraud_details": {},
        "livemode": False,
        "metadata": intent["metadata"],
        "outcome": _outcome(refused),
        "paid": refused is None,
        "payment_intent": intent["id"],
        "payment_method": method["id"],
        "payment_method_details": {"card": card, "type": "card"},
        "receipt_email": intent["receipt_email"],
        "refunded": False,
        "status": "failed" if refused else "succeeded",
    }


def _outcome(refused: TestCard | None) -> Object:
    return {
        "advice_code": None,
        "network_advice_code": None,
        "network_decline_code": None,
        "network_status": "declined_by_network" if refused else "approved_by_network",
        "reason": refused.decline_code if refused else None,
        "risk_level": "normal",
        "seller_message": "The bank declined this payment." if refused else "Payment complete.",
        "type": "issuer_declined" if refused else "authorized",
    }


def _charged_card(intent: Object, method: Object, *, authenticated: bool, refused: TestCard | None) -> Object:
    secure = {
        "authentication_flow": "challenge", "electronic_commerce_indicator": "05",
        "exemption_indicator": None, "result": "authenticated", "result_reason": None,
        "transaction_id": None, "version": "2.2.0",
    }  # fmt: skip
    bad_cvc = refused is not None and refused.code == "incorrect_cvc"
    kept = ("brand", "country", "exp_month", "exp_year", "fingerprint", "funding", "last4")
    return {
        **dict.fromkeys(_NOTHING_OF_A_CHARGED_CARD),
        **{name: method["card"][name] for name in kept},
        "amount_authorized": None if refused else intent["amount"],
        "checks": {**_CHECKS, "cvc_check": "fail" if bad_cvc else "pass"},
        "extended_authorization": {"status": "disabled"},
        "incremental_authorization": {"status": "unavailable"},
        "multicapture": {"status": "unavailable"},
        "network": "visa",
        "network_token": {"used": False},
        "overcapture": {"maximum_amount_capturable": intent["amount"], "status": "unavailable"},
        "three_d_secure": secure if authenticated else None,
    }


def balance_transaction(source: Object, *, amount: int, type: str, fee: int = 0) -> Object:
    """What a charge, refund or dispute does to the account's balance."""
    details = []
    if fee:
        details = [
            {
                "amount": fee, "application": None, "currency": source["currency"],
                "description": "Stripe processing fees" if type == "charge" else "Dispute fee",
                "type": "stripe_fee",
            }
        ]  # fmt: skip
    created = now()
    return {
        "id": new_id("txn"),
        "object": "balance_transaction",
        "amount": amount,
        "available_on": created + AVAILABLE_AFTER,
        "balance_type": "payments",
        "created": created,
        "currency": source["currency"],
        "description": source.get("description"),
        "exchange_rate": None,
        "fee": fee,
        "fee_details": details,
        "net": amount - fee,
        "reporting_category": "dispute" if type == "adjustment" else type,
        "source": source["id"],
        "status": "pending",
        "type": type,
    }


def refund(charged: Object, amount: int, *, reason: str | None, metadata: dict[str, str]) -> Object:
    return {
        "id": new_id("re"),
        "object": "refund",
        "amount": amount,
        "balance_transaction": None,
        "charge": charged["id"],
        "created": now(),
        "currency": charged["currency"],
        "customer": None,
        "customer_account": None,
        "destination_details": {
            "card": dict(_PENDING_REFERENCE),
            "type": "card",
        },
        "metadata": metadata,
        "payment_intent": charged["payment_intent"],
        "payment_method": charged["payment_method"],
        "reason": reason,
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": "succeeded",
        "transfer_reversal": None,
    }  # fmt: skip


def dispute(charged: Object, reason: str) -> Object:
    created = now()
    return {
        "id": new_id("dp"),
        "object": "dispute",
        "amount": charged["amount"] - charged["amount_refunded"],
        "balance_transactions": [],
        "charge": charged["id"],
        "created": created,
        "currency": charged["currency"],
        "enhanced_eligibility_types": [],
        "evidence": {**dict.fromkeys(_EVIDENCE), "enhanced_evidence": {}},
        "evidence_details": {
            "due_by": created + EVIDENCE_WITHIN, "enhanced_eligibility": {}, "has_evidence": False,
            "past_due": False, "submission_count": 0,
        },
        "is_charge_refundable": False,
        "livemode": False,
        "metadata": {},
        "payment_intent": charged["payment_intent"],
        "payment_method_details": {
            "card": {
                "brand": "visa", "case_type": "chargeback", "network": "visa", "network_reason_code": "10.4",
            },
            "type": "card",
        },
        "reason": reason,
        "status": "needs_response",
    }  # fmt: skip
