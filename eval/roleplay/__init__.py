"""The role-play page: researchers play standardised clients against counselor models."""
