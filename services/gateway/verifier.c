#include "services/gateway/verifier.h"

#include "services/gateway/ended_sessions.h"

#include "core/crypto/hash.h"
#include "core/crypto/token.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MICROSECONDS 1000000
#define OPERATOR_TOKEN_MAX 256
#define WAYS 2 // places in which a token can be remembered

// A token that was verified once.
typedef struct remembered {
    uint64_t hash;
    int64_t issued_s, expires_s;
    char session_id[OW_ID_MAX]; // "" of a server key's token
    ow_principal principal;
    size_t length;
    char token[]; // of `length`
} remembered;

typedef struct operator_entry {
    uint8_t sha256[OW_SHA256_SIZE];
    char id[OW_ID_MAX];
    ow_role most;
    bool is_api_key;
    int64_t expires_s; // 0: never
} operator_entry;

typedef struct operator_role {
    char id[OW_ID_MAX];
    char title[OW_ID_MAX]; // "": every one
    ow_role role;
} operator_role;

typedef struct key_limit {
    char id[OW_ID_MAX];
    int32_t calls;
} key_limit;

// What one VerificationState says.
typedef struct state {
    ow_key_ring *ring;
    operator_entry *operators; // by hash
    size_t operator_count;
    operator_role *roles; // by operator
    size_t role_count;
    char (*revoked)[OW_ID_MAX];
    size_t revoked_count;
    key_limit *limits; // by key
    size_t limit_count;
    ended_sessions *ended;
    int64_t valid_from_s; // players' tokens from before are refused
} state;

struct verifier {
    state *state; // NULL: none has come yet
    remembered **cache;
    size_t cache_entries;
};

// ---- the state ----

static state *state_free(state *gone) {
    if (gone != NULL) {
        ow_key_ring_free(gone->ring);
        free(gone->operators);
        free(gone->roles);
        free(gone->revoked);
        free(gone->limits);
        ended_sessions_free(gone->ended);
        free(gone);
    }
    return NULL;
}

static ow_role read_role(const char *text) {
    static const char *const names[] = {
        [OW_ROLE_VIEWER] = "viewer", [OW_ROLE_DEVELOPER] = "developer", [OW_ROLE_ADMIN] = "admin"};
    for (int role = OW_ROLE_VIEWER; role <= OW_ROLE_ADMIN; role++) {
        if (strcmp(names[role], text) == 0) {
            return (ow_role)role;
        }
    }
    return OW_ROLE_NONE;
}

static ow_code read_keys(state *to, const verification_state *from, ow_err *err) {
    for (size_t i = 0; i < from->n_signing_keys; i++) {
        const Overworld__Identity__V1__SigningKey *key = from->signing_keys[i];
        ow_code code = ow_key_ring_add(to->ring, key->kid, key->secret.data, key->secret.len, err);
        if (code != OW_OK) {
            return code;
        }
    }
    return OW_OK;
}

static int by_hash(const void *a, const void *b) {
    return memcmp(((const operator_entry *)a)->sha256, ((const operator_entry *)b)->sha256,
                  OW_SHA256_SIZE);
}

static void read_operators(state *to, const verification_state *from) {
    for (size_t i = 0; i < from->n_operator_tokens; i++) {
        const Overworld__Identity__V1__OperatorToken *token = from->operator_tokens[i];
        ow_role role = read_role(token->role);
        if (token->sha256.len != OW_SHA256_SIZE || role == OW_ROLE_NONE) {
            continue;
        }
        operator_entry *made = &to->operators[to->operator_count++];
        memcpy(made->sha256, token->sha256.data, OW_SHA256_SIZE);
        made->most = role;
        made->is_api_key = token->is_api_key;
        made->expires_s = token->expires_at;
        snprintf(made->id, sizeof made->id, "%s", token->operator_id);
    }
    qsort(to->operators, to->operator_count, sizeof *to->operators, by_hash);
}

static void read_roles(state *to, const verification_state *from) {
    for (size_t i = 0; i < from->n_operator_roles; i++) {
        const Overworld__Identity__V1__OperatorRole *each = from->operator_roles[i];
        operator_role *made = &to->roles[to->role_count++];
        made->role = read_role(each->role);
        snprintf(made->id, sizeof made->id, "%s", each->operator_id);
        snprintf(made->title, sizeof made->title, "%s", each->title_id);
    }
}

static void read_revoked(state *to, const verification_state *from) {
    for (size_t i = 0; i < from->n_revoked_server_keys; i++) {
        snprintf(to->revoked[to->revoked_count++], OW_ID_MAX, "%s", from->revoked_server_keys[i]);
    }
}

static int by_key(const void *a, const void *b) {
    return strcmp(((const key_limit *)a)->id, ((const key_limit *)b)->id);
}

static void read_limits(state *to, const verification_state *from) {
    for (size_t i = 0; i < from->n_server_key_limits; i++) {
        const Overworld__Identity__V1__ServerKeyLimit *each = from->server_key_limits[i];
        key_limit *made = &to->limits[to->limit_count++];
        made->calls = each->calls > 0 ? each->calls : 0;
        snprintf(made->id, sizeof made->id, "%s", each->key_id);
    }
    qsort(to->limits, to->limit_count, sizeof *to->limits, by_key);
}

static void read_ended(state *to, const verification_state *from) {
    int64_t now_s = from->sequence / MICROSECONDS; // a time: see identity
    for (size_t i = 0; i < from->n_revoked_sessions; i++) {
        const Overworld__Identity__V1__RevokedSession *each = from->revoked_sessions[i];
        ended_sessions_add(to->ended, each->session_id, each->until, now_s);
    }
    to->valid_from_s = from->valid_from;
}

static ow_code state_new(const verification_state *from, state **ret_state, ow_err *err) {
    state *made = calloc(1, sizeof *made);
    if (made != NULL) {
        made->ring = ow_key_ring_new();
        made->operators = calloc(from->n_operator_tokens + 1, sizeof *made->operators);
        made->roles = calloc(from->n_operator_roles + 1, sizeof *made->roles);
        made->revoked = calloc(from->n_revoked_server_keys + 1, sizeof *made->revoked);
        made->limits = calloc(from->n_server_key_limits + 1, sizeof *made->limits);
        made->ended = ended_sessions_new();
    }
    if (made == NULL || made->ring == NULL || made->operators == NULL || made->roles == NULL ||
        made->revoked == NULL || made->limits == NULL || made->ended == NULL) {
        state_free(made);
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "out_of_memory", "no memory for token keys");
    }
    ow_code code = read_keys(made, from, err);
    if (code != OW_OK) {
        state_free(made);
        return code;
    }
    read_operators(made, from);
    read_roles(made, from);
    read_revoked(made, from);
    read_limits(made, from);
    read_ended(made, from);
    *ret_state = made;
    return OW_OK;
}

static void forget_all(verifier *v) {
    for (size_t i = 0; i < v->cache_entries; i++) {
        free(v->cache[i]);
        v->cache[i] = NULL;
    }
}

verifier *verifier_new(size_t cache_entries) {
    verifier *v = calloc(1, sizeof *v);
    if (v == NULL) {
        return NULL;
    }
    v->cache_entries = cache_entries;
    v->cache = calloc(cache_entries, sizeof *v->cache);
    return v->cache != NULL ? v : verifier_free(v);
}

verifier *verifier_free(verifier *v) {
    if (v == NULL) {
        return NULL;
    }
    if (v->cache != NULL) {
        forget_all(v);
    }
    free(v->cache);
    state_free(v->state);
    free(v);
    return NULL;
}

ow_code verifier_apply(verifier *v, const verification_state *from, ow_err *err) {
    if (from->is_addition) {
        if (v->state == NULL) {
            return ow_fail(err, OW_INVALID_ARGUMENT, "no_state", "an addition to nothing");
        }
        read_ended(v->state, from);
        return OW_OK;
    }
    state *made = NULL;
    ow_code code = state_new(from, &made, err);
    if (code != OW_OK) {
        return code;
    }
    state_free(v->state);
    v->state = made;
    forget_all(v);
    return OW_OK;
}

bool verifier_has_state(const verifier *v) {
    return v->state != NULL;
}

// ---- remembered tokens ----

// The end of a token is its signature: as good as random. Equality is decided by the whole text.
static uint64_t hash_token(const char *token, size_t length) {
    uint64_t hash = length;
    uint64_t word = 0;
    for (size_t at = length < 32 ? 0 : length - 32; at + 8 <= length; at += 8) {
        memcpy(&word, token + at, sizeof word);
        hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
        hash ^= hash >> 29;
    }
    return hash;
}

static remembered **first_way(const verifier *v, uint64_t hash) {
    return &v->cache[hash & (v->cache_entries - WAYS)];
}

static const remembered *recall(const verifier *v, const char *token, size_t length,
                                uint64_t hash) {
    remembered **ways = first_way(v, hash);
    for (int i = 0; i < WAYS; i++) {
        const remembered *each = ways[i];
        if (each != NULL && each->hash == hash && each->length == length &&
            memcmp(each->token, token, length) == 0) {
            return each;
        }
    }
    return NULL;
}

static void describe(remembered *to, const ow_token_claims *claims) {
    to->issued_s = claims->issued_s;
    to->expires_s = claims->expires_s;
    to->principal.kind = claims->kind == OW_TOKEN_SERVER ? OW_SERVER : OW_PLAYER;
    memcpy(to->principal.id, claims->subject, sizeof to->principal.id);
    memcpy(to->principal.title, claims->title, sizeof to->principal.title);
    if (claims->kind == OW_TOKEN_PLAYER) {
        memcpy(to->session_id, claims->token_id, sizeof to->session_id);
    }
}

// The newest is first; the older one of its set gives way.
static void remember(verifier *v, const char *token, const remembered *fresh) {
    remembered *made = malloc(sizeof *made + fresh->length);
    if (made == NULL) {
        return;
    }
    *made = *fresh;
    memcpy(made->token, token, fresh->length);
    remembered **ways = first_way(v, fresh->hash);
    free(ways[WAYS - 1]);
    memmove(&ways[1], &ways[0], (WAYS - 1) * sizeof *ways);
    ways[0] = made;
}

// ---- checking ----

static ow_code bad_token(ow_err *err) {
    return ow_fail(err, OW_UNAUTHENTICATED, "bad_token", "this token is not valid here");
}

static ow_code token_expired(ow_err *err) {
    return ow_fail(err, OW_UNAUTHENTICATED, "token_expired",
                   "this token has expired: log in again");
}

// A hash is looked up as it is: how far it fits tells nothing about any token.
static ow_code check_operator(const verifier *v, const char *token, size_t length, int64_t now_s,
                              ow_principal *ret_principal, ow_err *err) {
    operator_entry key;
    if (length > OPERATOR_TOKEN_MAX) {
        return bad_token(err);
    }
    ow_sha256(token, length, key.sha256);
    const operator_entry *found =
        bsearch(&key, v->state->operators, v->state->operator_count, sizeof key, by_hash);
    if (found == NULL) {
        return bad_token(err);
    }
    if (found->expires_s != 0 && now_s >= found->expires_s) {
        return token_expired(err);
    }
    *ret_principal =
        (ow_principal){.kind = OW_OPERATOR, .role = found->most, .with_api_key = found->is_api_key};
    memcpy(ret_principal->id, found->id, sizeof ret_principal->id);
    return OW_OK;
}

bool verifier_grant(const verifier *v, ow_principal *who) {
    ow_role everywhere = OW_ROLE_NONE;
    ow_role here = OW_ROLE_NONE;
    for (size_t i = 0; v->state != NULL && i < v->state->role_count; i++) {
        const operator_role *each = &v->state->roles[i];
        if (strcmp(each->id, who->id) != 0) {
            continue;
        }
        if (each->title[0] == '\0') {
            everywhere = each->role;
        } else if (strcmp(each->title, who->title) == 0) {
            here = each->role;
        }
    }
    here = here > everywhere ? here : everywhere;
    who->role = who->role < here ? who->role : here;
    who->every_title = who->role != OW_ROLE_NONE && everywhere >= who->role;
    return who->role != OW_ROLE_NONE;
}

int32_t verifier_limit_of(const verifier *v, const char *key_id) {
    key_limit key;
    if (v->state == NULL || v->state->limit_count == 0) {
        return 0;
    }
    snprintf(key.id, sizeof key.id, "%s", key_id);
    const key_limit *found =
        bsearch(&key, v->state->limits, v->state->limit_count, sizeof key, by_key);
    return found != NULL ? found->calls : 0;
}

const char *verifier_only_title(const verifier *v, const ow_principal *who) {
    const char *only = NULL;
    for (size_t i = 0; v->state != NULL && i < v->state->role_count; i++) {
        const operator_role *each = &v->state->roles[i];
        if (strcmp(each->id, who->id) == 0) {
            if (only != NULL || each->title[0] == '\0') {
                return NULL;
            }
            only = each->title;
        }
    }
    return only;
}

bool verifier_knows_every_title(const verifier *v, const ow_principal *who) {
    ow_principal probe = *who;
    probe.title[0] = '\0';
    return verifier_grant(v, &probe);
}

static bool is_revoked(const state *in, const ow_token_claims *claims) {
    for (size_t i = 0; claims->kind == OW_TOKEN_SERVER && i < in->revoked_count; i++) {
        if (strcmp(in->revoked[i], claims->subject) == 0) {
            return true;
        }
    }
    return false;
}

// A token that was ours when it was signed: is it still good?
static ow_code check_known(const state *in, const remembered *known, int64_t now_s,
                           ow_principal *ret_principal, ow_err *err) {
    if (now_s >= known->expires_s) {
        return token_expired(err);
    }
    if (known->session_id[0] != '\0') {
        if (known->issued_s < in->valid_from_s) {
            return token_expired(err);
        }
        if (ended_sessions_has(in->ended, known->session_id)) {
            return ow_fail(err, OW_UNAUTHENTICATED, "session_ended",
                           "this session has ended: log in again");
        }
    }
    *ret_principal = known->principal;
    return OW_OK;
}

static ow_code check_signed(verifier *v, const char *token, size_t length, int64_t now_s,
                            ow_principal *ret_principal, ow_err *err) {
    uint64_t hash = hash_token(token, length);
    const remembered *known = recall(v, token, length, hash);
    if (known != NULL) {
        return check_known(v->state, known, now_s, ret_principal, err);
    }
    ow_token_claims claims;
    ow_code code = ow_token_verify(v->state->ring, token, length, now_s, &claims, err);
    if (code != OW_OK) {
        return code;
    }
    if (is_revoked(v->state, &claims)) {
        return ow_fail(err, OW_UNAUTHENTICATED, "bad_token", "this server key was revoked");
    }
    remembered fresh = {.hash = hash, .length = length};
    describe(&fresh, &claims);
    code = check_known(v->state, &fresh, now_s, ret_principal, err);
    if (code == OW_OK) {
        remember(v, token, &fresh);
    }
    return code;
}

ow_code verifier_check(verifier *v, const char *authorization, int64_t wall_us,
                       ow_principal *ret_principal, ow_err *err) {
    static const char scheme[] = "Bearer ";
    if (v->state == NULL) {
        return ow_fail(err, OW_UNAVAILABLE, "starting", "tokens cannot be verified yet");
    }
    if (strncasecmp(authorization, scheme, sizeof scheme - 1) != 0) {
        return bad_token(err);
    }
    const char *token = authorization + sizeof scheme - 1;
    size_t length = strlen(token);
    if (memchr(token, '.', length) == NULL) {
        return check_operator(v, token, length, wall_us / MICROSECONDS, ret_principal, err);
    }
    return check_signed(v, token, length, wall_us / MICROSECONDS, ret_principal, err);
}
