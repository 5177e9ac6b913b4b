#pragma once

#include <string_view>

// Tokens made with another implementation (Node's crypto module), good ones and forgeries. The
// keys are for these tests only.
namespace parley::control::test {

constexpr std::string_view kSecret = "0123456789abcdef0123456789abcdef-parley-tests";
constexpr std::string_view kPublicPem = R"(-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAQ1RE6yNnvELNi13Y9jNgl0mWhl772AzaIizBdEDmtHw=
-----END PUBLIC KEY-----
)";
constexpr std::string_view kPrivatePem = R"(-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEILONdy9xsSNEWW9ytwzf76Pu3D524K7LrzxN9jVyin1A
-----END PRIVATE KEY-----
)";
constexpr std::string_view kNodeHs256 =
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJiYWNrZW5kIiwiYXVkIjoicGFybGV5LWNvbnRyb2wiL"
    "CJleHAiOjQxMDI0NDQ4MDAsImp0aSI6Im4xIn0.p_H4vyCgTbHrCy1Y4c87ItaDRd87mA3__tRmKzL7JhI";
constexpr std::string_view kNodeEdDsa =
    "eyJhbGciOiJFZERTQSIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJlZGdlIiwiYXVkIjoicGFybGV5LWNvbnRyb2wiLCJle"
    "HAiOjQxMDI0NDQ4MDAsImp0aSI6Im4xIn0.TFd5RGICyMLBEPom6vu4V4nFohx0VXK61HP0ubcfQJW0oJElfmeL5CC"
    "Kt6Pw32Wh25j4qRWM-_l9c-E70joCBA";
constexpr std::string_view kPublicKeyAsSecret =
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJlZGdlIiwiYXVkIjoicGFybGV5LWNvbnRyb2wiLCJle"
    "HAiOjQxMDI0NDQ4MDAsImp0aSI6Im4xIn0._-x28vWy2tTRfUG8K9qE-ZDBqQIXYNm3aebjAAgNb_w";
constexpr std::string_view kAlgNone =
    "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJpc3MiOiJiYWNrZW5kIiwiYXVkIjoicGFybGV5LWNvbnRyb2wiLC"
    "JleHAiOjQxMDI0NDQ4MDAsImp0aSI6Im4xIn0.";
constexpr std::string_view kAlgNoneCase =
    "eyJhbGciOiJuT25FIn0.eyJpc3MiOiJiYWNrZW5kIiwiYXVkIjoicGFybGV5LWNvbnRyb2wiLCJleHAiOjQxMDI0ND"
    "Q4MDAsImp0aSI6Im4xIn0.";
constexpr std::string_view kOtherKey =
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJiYWNrZW5kIiwiYXVkIjoicGFybGV5LWNvbnRyb2wiL"
    "CJleHAiOjQxMDI0NDQ4MDAsImp0aSI6Im4xIn0.5Zs18Z5iTT0xlpCBwZYiI1nJPokFirIum4xE_JnslxU";
constexpr std::string_view kCrit =
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCIsImNyaXQiOlsiZXhwIl19.eyJpc3MiOiJiYWNrZW5kIiwiYXVkIjoic"
    "GFybGV5LWNvbnRyb2wiLCJleHAiOjQxMDI0NDQ4MDAsImp0aSI6Im4xIn0.GOz7mREJ5cR9YjjWjpTgxZiw4M68B8Z"
    "wNRMhgUSCZjY";
constexpr std::string_view kB64 =
    "eyJhbGciOiJIUzI1NiIsImI2NCI6ZmFsc2V9.eyJpc3MiOiJiYWNrZW5kIiwiYXVkIjoicGFybGV5LWNvbnRyb2wiL"
    "CJleHAiOjQxMDI0NDQ4MDAsImp0aSI6Im4xIn0.mn40fV2hO17aNJ26pRGwKz894FnVZdqEPA6qeTfzpqc";
constexpr std::string_view kUnknownTyp =
    "eyJhbGciOiJIUzI1NiIsInR5cCI6ImRwb3Arand0In0.eyJpc3MiOiJiYWNrZW5kIiwiYXVkIjoicGFybGV5LWNvbn"
    "Ryb2wiLCJleHAiOjQxMDI0NDQ4MDAsImp0aSI6Im4xIn0.0xQkxG4vmtQKxGswjsovQAr4MGy3Q-0mZohw-GF9_kg";
constexpr std::string_view kHs512 =
    "eyJhbGciOiJIUzUxMiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJiYWNrZW5kIiwiYXVkIjoicGFybGV5LWNvbnRyb2wiL"
    "CJleHAiOjQxMDI0NDQ4MDAsImp0aSI6Im4xIn0.3YHurkc_63yqM9aGyI1W4rCoZW5pWLnjm7Xo0ZZBRfhEw07AfVh"
    "tcKojFMfr2u2uWpoMJ-vJRMddKLwQs6EauA";
constexpr std::string_view kUnknownIssuer =
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJub2JvZHkiLCJhdWQiOiJwYXJsZXktY29udHJvbCIsI"
    "mV4cCI6NDEwMjQ0NDgwMCwianRpIjoibjEifQ.CWkHd3PXaLmZ4sELeYQ2HPxolTUfLplODb7dN9u-H44";
constexpr std::string_view kNoIssuer =
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJleHAiOjQxMDI0NDQ4MDB9.RkHEzygT4W5Gx-d6qaJ0D5fC9wws"
    "x5CQNJTwLZE8fLA";
constexpr std::string_view kClaimsAreAList =
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.WzFd.tMGRuj7B4fBzUlHLLpMEksDCO7_9aB8aGVFeRD0LuUE";
constexpr std::string_view kNoAlg =
    "eyJ0eXAiOiJKV1QifQ.eyJpc3MiOiJiYWNrZW5kIiwiYXVkIjoicGFybGV5LWNvbnRyb2wiLCJleHAiOjQxMDI0NDQ"
    "4MDAsImp0aSI6Im4xIn0.y8Y10PXtjF3uGVKf689GD-kGfbhFJe2SATD25A0KPbs";
constexpr std::string_view kTwoIssuers =
    "eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJiYWNrZW5kIiwiaXNzIjoiZWRnZSJ9.p_C0DucL8HiodrbODNZS4-n-tx0i"
    "PnoFGDw6UQHT-hc";
constexpr std::string_view kEcPem = R"(-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEsrTeT8NI4bFUgrTwQj0EmzKo9Flb
1UW1PqihCKzELYHJL9vZ2n/54USNkyHFADjqep7kI1Nm4Ja7UTL2HPIhsw==
-----END PUBLIC KEY-----
)";

}  // namespace parley::control::test
