"""The carrier between institutions: keys and envelopes, a mailbox over HTTPS, its client, and enrolment."""
