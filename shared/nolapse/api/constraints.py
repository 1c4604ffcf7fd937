"""What the database refuses, by the constraint's name, in the words of who asked.

A name that is not here is our mistake: a route lets something through that it should have refused.
"""

from collections.abc import Mapping

CALLED_SO = "another person is called so"
# What creating a record takes: a deleted one that stands in an edit's way is found in no list.
COMES_BACK = "or one that was deleted, and comes back when you create it again"
GONE = "was deleted: name somebody else, or create them again first"
# The field, what to say, and whether another record stands in the way (409).
CONSTRAINTS: Mapping[str, tuple[str, str, bool]] = {
    "clinicians_check": ("supervisor_id", "is the person themselves", False),
    "clinicians_tenant_id_external_id_key": ("external_id", f"{CALLED_SO}, {COMES_BACK}", True),
    "clinicians_tenant_id_supervisor_id_fkey": ("supervisor_id", "is no clinician of yours", False),
    "licenses_tenant_id_clinician_id_fkey": ("clinician_id", "is no clinician of yours", False),
    "licenses_tenant_id_license_number_license_type_state_key": (
        "license_number", f"there is another licence of this number, type and state, {COMES_BACK}", True),
    "medications_check": ("caregiver_id", "is the taker themselves", False),
    "medications_tenant_id_caregiver_id_fkey": ("caregiver_id", "is no person of yours", False),
    "no_caregiver_id_is_gone": ("caregiver_id", GONE, False),
    "no_clinician_id_is_gone": ("clinician_id", GONE, False),
    "no_supervisor_id_is_gone": ("supervisor_id", GONE, False),
    "senders_in_use": ("address", "the tenant sends by it already", True),
    "tenants_slug_key": ("slug", "another tenant is called so", True),
    "who_was_erased_stays_so": ("external_id", "is of a person who was erased: take another", True),
}  # fmt: skip
