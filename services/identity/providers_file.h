#pragma once

// The file that names identity providers. No I/O.

#include "services/identity/providers.h"

#include "core/id/id.h"

typedef struct provider_entry {
    char name[34];
    char title[OW_ID_MAX]; // "": every title
    char *issuers[PROVIDER_ISSUERS_MAX + 1];
    char *audiences[PROVIDER_AUDIENCES_MAX + 1];
    char *jwks_file, *jwks_url; // one of them
} provider_entry;

// Codes: invalid_argument "bad_providers".
ow_code providers_read(const char *text, size_t size,
                       provider_entry ret_entries[static PROVIDERS_MAX], int *ret_count,
                       ow_err *err);
void provider_entry_deinit(provider_entry *entry);
