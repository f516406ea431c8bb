"""E-mail addresses as they are stored and compared."""

from typing import Annotated

from email_validator import EmailNotValidError, validate_email
from pydantic import AfterValidator, Field, StringConstraints


def normalise_email(value: str) -> str:
    """Return the address in lower case with an ASCII domain.

    Two spellings of one mailbox compare equal afterwards; nothing is looked up in the DNS.

    Raises:
        ValueError: it is no address.
    """
    try:
        # `test_environment` accepts the reserved domain .test, which the seeded users have.
        parsed = validate_email(
            value, check_deliverability=False, allow_smtputf8=False, test_environment=True
        )
    except EmailNotValidError as exc:
        raise ValueError(str(exc)) from None
    return (parsed.ascii_email or parsed.normalized).lower()


Email = Annotated[
    str,
    StringConstraints(max_length=254),
    AfterValidator(normalise_email),
    Field(json_schema_extra={"format": "email"}),
]
