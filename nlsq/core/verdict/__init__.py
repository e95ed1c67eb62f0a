"""What a finished fit means: covariance, flags, statistics, the record that users get."""
