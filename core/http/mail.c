#include "core/http/mail.h"

#include <string.h>

bool ow_mail_is_address(const char *text) {
    const char *at = strchr(text, '@');
    size_t size = strlen(text);
    if (at == NULL || at == text || at[1] == 0 || strchr(at + 1, '@') != NULL ||
        size > OW_MAIL_ADDRESS_MAX) {
        return false;
    }
    for (size_t i = 0; i < size; i++) {
        if (text[i] <= ' ' || text[i] > '~' || strchr("<>\"(),:;\\[]", text[i]) != NULL) {
            return false;
        }
    }
    return true;
}
