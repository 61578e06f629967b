// OidcLogin, and id tokens as logins to be linked.

#include "services/identity/methods.h"

#include <stdio.h>
#include <string.h>

// ---- Proving who one is ----

static void on_keys(void *self) {
    proving *proof = self;
    proof->keys = provider_keys(proof->provider);
    ow_run_resume(proof->run, OW_OK);
}

static void on_cancel(ow_call *call, void *self) {
    proving *proof = self;
    provider_forget(&proof->waiter);
    ow_run_resume(proof->run, call->err.code);
}

// The step goes on at once, or when keys have come or could not be had.
static ow_code await_keys(ow_run *run, proving *proof) {
    proof->run = run;
    proof->waiter = (key_waiter){.on_keys = on_keys, .self = proof};
    if (!provider_renew(proof->provider, &proof->waiter)) {
        proof->keys = provider_keys(proof->provider);
        return OW_OK;
    }
    run->call->on_cancel = on_cancel;
    run->call->on_cancel_self = proof;
    return OW_PENDING;
}

ow_code proving_begin(ow_run *run, proving *proof, const id_token_msg *shown) {
    identity *self = run->self;
    proof->provider = providers_find(self->providers, run->call->principal->title, shown->provider);
    if (proof->provider == NULL) {
        return ow_fail(run->err, OW_NOT_FOUND, "no_provider",
                       "this title takes no id tokens of a provider of this name");
    }
    proof->token = shown->id_token;
    proof->rules = provider_rules(proof->provider, shown->nonce);
    provider_look(proof->provider);
    proof->keys = provider_keys(proof->provider);
    return proof->keys != NULL ? OW_OK : await_keys(run, proof);
}

static void prove_key(ow_run *run, proving *proof, login_key *ret_key) {
    const char *issuer = provider_issuer(proof->provider);
    char id[LOGIN_SHOWN_SIZE];
    snprintf(id, sizeof id, "%s\n%s", issuer, proof->claims.subject);
    snprintf(proof->shown, sizeof proof->shown, "%s %s", issuer, proof->claims.subject);
    *ret_key = (login_key){.kind = LOGIN_OIDC, .shown = proof->shown, .password = ""};
    hash_login(run->call->principal->title, LOGIN_OIDC, id, ret_key->hash);
}

ow_code proving_verify(ow_run *run, proving *proof, login_key *ret_key) {
    if (proof->verified) {
        return OW_OK;
    }
    if (proof->keys == NULL) {
        return ow_fail(run->err, OW_UNAVAILABLE, "no_provider_keys",
                       "the provider's keys cannot be had now: try again");
    }
    ow_code code =
        ow_id_token_verify(proof->keys, &proof->rules, proof->token, &proof->claims, run->err);
    if (code == OW_OK) {
        proof->verified = true;
        prove_key(run, proof, ret_key);
    } else if (strcmp(run->err->reason, "unknown_key") == 0 && !proof->renewed) {
        return OW_OK; // once more, with the keys of now
    }
    return code;
}

ow_code proving_renew(ow_run *run, proving *proof) {
    if (proof->verified) {
        return OW_OK;
    }
    proof->renewed = true;
    return await_keys(run, proof);
}

// ---- OidcLogin ----

ow_code oidc_login_check(ow_run *run) {
    const oidc_login_request *request = run->request;
    arriving *state = run->state;
    ow_code code = check_title(run->call->principal->title, run->err);
    if (code == OW_OK && request->token == NULL) {
        return ow_fail(run->err, OW_INVALID_ARGUMENT, "no_id_token", "show an id token");
    }
    if (code == OW_OK) {
        manner manner = {request->platform, request->custom, request->existing_only};
        code = arrival_begin(run, state, &manner);
    }
    if (code == OW_OK) {
        code = proving_begin(run, &state->proof, request->token);
    }
    return code;
}

ow_code oidc_login_verify(ow_run *run) {
    arriving *state = run->state;
    return proving_verify(run, &state->proof, &state->row.key);
}

ow_code oidc_login_renew(ow_run *run) {
    arriving *state = run->state;
    return proving_renew(run, &state->proof);
}
