"""The admin's first pages: a company's for its managers, the platform's for its operators."""

from app.domains.reporting.admin.manager import manager_page
from app.domains.reporting.admin.operator import operator_page
from app.domains.reporting.admin.words import period_asked_for

__all__ = ["manager_page", "operator_page", "period_asked_for"]
