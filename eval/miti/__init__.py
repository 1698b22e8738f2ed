"""MITI measures of coded sessions, by session and by source."""
