//! The words by which APIs name their failures, each with its vendor and page.

/// The types, codes and statuses of errors that no wait changes.
pub(super) const PERMANENT: &[&str] = &[
    // OpenAI: its guide to error codes, and the codes of its spending limits.
    "insufficient_quota",
    "billing_hard_limit_reached",
    "billing_not_active",
    "account_deactivated",
    "organization_spend_limit_exceeded",
    "organization_usage_limit_exceeded",
    "project_spend_limit_exceeded",
    "project_usage_limit_exceeded",
    // Anthropic: `ErrorType` of its API reference.
    "billing_error",
    "permission_error",
    // Moonshot: its page on errors.
    "exceeded_current_quota_error",
    // DashScope: its page on error codes.
    "Arrearage",
    // Zhipu: its page on error codes: an account in arrears, the calls of a day, a plan that has ended, those of its weeks.
    "1113",
    "1304",
    "1309",
    "1310",
    // Volcengine: its page on error codes, an account in arrears and a spending limit.
    "AccountOverdueError",
    "SetLimitExceeded",
    // IBM: the errors of watsonx.ai.
    "token_quota_reached",
    // Google: the reasons of its older APIs.
    "dailyLimitExceeded",
    // Bedrock: the errors of its `InvokeModel`.
    "ServiceQuotaExceededException",
    "AccessDeniedException",
];

/// The types and codes of errors that another attempt may avoid.
pub(super) const TRANSIENT: &[&str] = &[
    // Anthropic: `ErrorType` of its API reference.
    "overloaded_error",
    "rate_limit_error",
    "api_error",
    // OpenAI, whose APIs differ in their types and codes.
    "rate_limit_exceeded",
    "server_error",
    "server_is_overloaded",
    "service_unavailable_error",
    "slow_down",
    // Moonshot.
    "engine_overloaded_error",
    "rate_limit_reached_error",
    // Mistral: the types and codes of its API's errors.
    "rate_limited",
    "service_unavailable",
    "1300",
    "3505",
    // vLLM: the types of its server's errors.
    "InternalServerError",
    "ServiceUnavailableError",
    // Gemini: the statuses of `google.rpc.Code`.
    "RESOURCE_EXHAUSTED",
    "UNAVAILABLE",
    "INTERNAL",
    // OpenRouter and Azure use statuses as codes.
    "429",
    "500",
    "502",
    "503",
    "529",
];

/// Parts of messages that tell of a permanent error, where no word does.
pub(super) const PERMANENT_MESSAGES: &[&str] = &[
    // Anthropic: a 400 with the type `invalid_request_error`.
    "credit balance is too low",
    // OpenRouter: its page on limits.
    "free-models-per-day",
    // DeepSeek: its page on error codes.
    "Insufficient Balance",
    // Bedrock: a `ThrottlingException` whose words go on with advice to wait.
    "Too many tokens per day",
    // Cohere: the calls of a trial key.
    "API calls / month",
    // Cloudflare: the errors of Workers AI.
    "daily free allocation",
];

/// Parts of an `error` that is only a text and tells of a permanent error (xAI).
pub(super) const PERMANENT_TEXTS: &[&str] = &["credits", "spending limit"];

/// The start of a message about a request that is larger than its limit (OpenAI). No wait makes it smaller, and it says
/// nothing about other requests.
pub(super) const TOO_LARGE_MESSAGE: &str = "Request too large";

/// Words of a message after which a wait stands: those of OpenAI and Gemini, of GitHub Models, of Django, of Replicate, and of
/// Stability.
pub(super) const BEFORE_WAIT: &[&str] = &[
    "try again in ",
    "retry in ",
    "retry after ",
    "please wait ",
    "available in ",
    "resets in ",
    "timed out for ",
];

/// The names of fields that have a wait in seconds, in lower case and without `_` and `-`. They are those of Telegram and many
/// others, of monday.com, Discourse, Hugging Face, Stack Exchange, Bungie and Codex.
pub(super) const WAITS_IN_SECONDS: &[&str] = &[
    "retryafter",
    "retryafterseconds",
    "retryinseconds",
    "waitseconds",
    "estimatedtime",
    "backoff",
    "throttleseconds",
    "resetsinseconds",
];
/// The same in milliseconds (Matrix).
pub(super) const WAITS_IN_MILLISECONDS: &[&str] = &["retryafterms", "retryaftermilliseconds"];
/// The names of objects in an error that have such fields: those of Telegram, Todoist, Discourse, and of GraphQL.
pub(super) const OBJECTS_WITH_WAITS: &[&str] = &["parameters", "errorextra", "extras", "extensions", "data"];

/// The part of the name of a quota by which Google tells that it counts a day (`google.rpc.QuotaFailure`, `ErrorInfo`). The
/// `retryDelay` beside it is not true.
pub(super) const PER_DAY: &str = "PerDay";
