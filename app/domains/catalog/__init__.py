"""Catalog owns what a company sells: subjects, tutors' profiles, offerings with their variants and price
history, their publishing, and the storefront's search. It knows no lesson, no order and no payment."""
