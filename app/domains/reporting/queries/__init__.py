"""The figures: `company` of one tenant, in its scope; `platform` across them, in the platform's."""
