"""The pages of payments: `checkout` takes a payer to the provider, `orders` shows what became of it,
`documents` hands out receipts, `webhooks` takes in what the provider tells."""

from app.domains.payments.portal import checkout, documents, orders, webhooks

BLUEPRINTS = (checkout.bp, orders.bp, documents.bp, webhooks.bp)
