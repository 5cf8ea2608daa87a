#pragma once
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/opensslv.h>
#include <openssl/param_build.h>
#include <openssl/params.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

/// OPENSSL_free is a macro over file and line, which Swift can't import.
static inline void pg_openssl_free(void *memory) { OPENSSL_free(memory); }

/// EVP_PKEY_PUBLIC_KEY is an expression that Swift can't import.
static const int pg_evp_pkey_public_key = EVP_PKEY_PUBLIC_KEY;
