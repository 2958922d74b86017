//! What servers of many vendors send, as their documentation says, and what is understood of it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Duration;

use http::Response;
use http_retry::{ResponseHead, RetryHint};

use super::append;
use super::hints::moment;

/// The vendor, its page, the status, the lines as they are sent at the beginning of 2026, and the hint in milliseconds.
type Row = (&'static str, &'static str, u16, &'static [(&'static str, &'static str)], Option<u64>);

/// The beginning of 2026.
const NOW: &str = "2026-01-01T00:00:00Z";

#[rustfmt::skip]
const VENDORS: &[Row] = &[
    // APIs of language models.
    ("OpenAI", "platform.openai.com/docs/guides/rate-limits", 429, &[("x-ratelimit-remaining-requests", "0"), ("x-ratelimit-reset-requests", "6m0s"), ("x-ratelimit-remaining-tokens", "149984"), ("x-ratelimit-reset-tokens", "12ms")], Some(360_000)),
    ("OpenAI, precise", "github.com/openai/openai-python", 429, &[("retry-after-ms", "640"), ("retry-after", "1")], Some(640)),
    ("Azure OpenAI", "learn.microsoft.com/azure/ai-services/openai/how-to/quota", 429, &[("x-ratelimit-remaining-tokens", "0"), ("x-ratelimit-reset-tokens", "12")], Some(12_000)),
    ("Anthropic", "docs.anthropic.com/en/api/rate-limits", 429, &[("retry-after", "7"), ("anthropic-ratelimit-requests-remaining", "0"), ("anthropic-ratelimit-requests-reset", "2026-01-01T00:00:30Z")], Some(7_000)),
    ("Anthropic, quota alone", "docs.anthropic.com/en/api/rate-limits", 429, &[("anthropic-ratelimit-input-tokens-remaining", "0"), ("anthropic-ratelimit-input-tokens-reset", "2026-01-01T00:00:30Z")], Some(30_000)),
    ("Groq", "console.groq.com/docs/rate-limits", 429, &[("x-ratelimit-remaining-tokens", "0"), ("x-ratelimit-reset-tokens", "7.66s"), ("x-ratelimit-remaining-requests", "14370"), ("x-ratelimit-reset-requests", "2m59.56s")], Some(7_660)),
    ("Cerebras", "inference-docs.cerebras.ai/support/rate-limits", 429, &[("x-ratelimit-remaining-tokens-minute", "0"), ("x-ratelimit-reset-tokens-minute", "11.382867"), ("x-ratelimit-remaining-requests-day", "99"), ("x-ratelimit-reset-requests-day", "33011.382867")], Some(11_383)),
    ("Mistral", "docs.mistral.ai/deployment/laplateforme/tier", 429, &[("ratelimitbysize-remaining", "0"), ("ratelimitbysize-reset", "34")], Some(34_000)),
    ("OpenRouter", "openrouter.ai/docs/api-reference/limits", 429, &[("x-ratelimit-limit", "20"), ("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1767225642000")], Some(42_000)),
    ("Together", "docs.together.ai/docs/rate-limits", 429, &[("x-tokenlimit-remaining", "0"), ("x-tokenlimit-reset", "3"), ("x-ratelimit-remaining", "59"), ("x-ratelimit-reset", "1")], Some(3_000)),
    ("SambaNova", "docs.sambanova.ai/cloud/docs/get-started/rate-limits", 429, &[("x-ratelimit-remaining-requests", "0"), ("x-ratelimit-reset-requests", "1767225660")], Some(60_000)),
    ("GitHub Models", "docs.github.com/github-models", 429, &[("x-ratelimit-timeremaining", "30"), ("retry-after", "30")], Some(30_000)),
    // Code, work and data.
    ("GitHub, primary", "docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api", 403, &[("x-ratelimit-limit", "60"), ("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1767225660")], Some(60_000)),
    ("GitHub, secondary", "docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api", 403, &[("retry-after", "60"), ("x-ratelimit-remaining", "4980")], Some(60_000)),
    ("GitLab", "docs.gitlab.com/administration/settings/user_and_ip_rate_limits", 429, &[("ratelimit-remaining", "0"), ("ratelimit-reset", "1767225630"), ("ratelimit-resettime", "Thu, 01 Jan 2026 00:00:30 GMT"), ("retry-after", "30")], Some(30_000)),
    ("Bitbucket", "support.atlassian.com/bitbucket-cloud/docs/api-request-limits", 429, &[("x-ratelimit-nearlimit", "true"), ("x-ratelimit-resource", "api"), ("retry-after", "12")], Some(12_000)),
    ("Jira", "developer.atlassian.com/cloud/jira/platform/rate-limiting", 429, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "2026-01-01T00:03Z")], Some(180_000)),
    ("Jira, beta", "developer.atlassian.com/cloud/jira/platform/rate-limiting", 429, &[("beta-retry-after", "9")], Some(9_000)),
    ("Linear", "linear.app/developers/rate-limiting", 400, &[("x-ratelimit-requests-remaining", "0"), ("x-ratelimit-requests-reset", "1767225660000")], Some(60_000)),
    ("ClickUp", "developer.clickup.com/docs/rate-limits", 429, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1767225660")], Some(60_000)),
    ("Notion", "developers.notion.com/reference/request-limits", 429, &[("retry-after", "3")], Some(3_000)),
    ("Asana", "developers.asana.com/docs/rate-limits", 429, &[("retry-after", "30")], Some(30_000)),
    ("Figma", "developers.figma.com/docs/rest-api/rate-limits", 429, &[("retry-after", "42"), ("x-figma-rate-limit-type", "low")], Some(42_000)),
    ("Toggl", "engineering.toggl.com/docs", 402, &[("x-toggl-quota-remaining", "0"), ("x-toggl-quota-resets-in", "1200")], Some(1_200_000)),
    ("Zoom, daily", "developers.zoom.us/docs/api/rate-limits", 429, &[("x-ratelimit-type", "Daily-limit"), ("x-ratelimit-remaining", "0"), ("retry-after", "2026-01-01T00:00:40Z")], Some(40_000)),
    ("Slack", "api.slack.com/apis/rate-limits", 429, &[("retry-after", "30")], Some(30_000)),
    ("Discord", "discord.com/developers/docs/topics/rate-limits", 429, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1767225600.64"), ("x-ratelimit-reset-after", "0.64"), ("x-ratelimit-bucket", "abcd")], Some(640)),
    ("Webex", "developer.webex.com/docs/basics", 429, &[("retry-after", "300")], Some(300_000)),
    ("RingCentral", "developers.ringcentral.com/guide/basics/rate-limits", 429, &[("x-rate-limit-group", "heavy"), ("x-rate-limit-remaining", "0"), ("x-rate-limit-window", "60"), ("retry-after", "60")], Some(60_000)),
    ("Contentful", "contentful.com/developers/docs/references/content-delivery-api", 429, &[("x-contentful-ratelimit-reset", "2"), ("x-contentful-ratelimit-second-remaining", "0")], Some(2_000)),
    ("Airtable", "airtable.com/developers/web/api/rate-limits", 429, &[], None),
    // People, mail and shops.
    ("X", "docs.x.com/x-api/fundamentals/rate-limits", 429, &[("x-rate-limit-limit", "450"), ("x-rate-limit-remaining", "0"), ("x-rate-limit-reset", "1767225610")], Some(10_000)),
    ("X, by day", "docs.x.com/x-api/fundamentals/rate-limits", 429, &[("x-rate-limit-remaining", "299"), ("x-rate-limit-reset", "1767225610"), ("x-app-limit-24hour-remaining", "0"), ("x-app-limit-24hour-reset", "1767229200")], Some(3_600_000)),
    ("Reddit", "github.com/reddit-archive/reddit/wiki/API", 429, &[("x-ratelimit-used", "100"), ("x-ratelimit-remaining", "0.0"), ("x-ratelimit-reset", "123")], Some(123_000)),
    ("Pinterest", "developers.pinterest.com/docs/api/v5", 429, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "57")], Some(57_000)),
    ("Tumblr", "tumblr.com/docs/en/api/v2", 429, &[("x-ratelimit-perday-remaining", "0"), ("x-ratelimit-perday-reset", "3600"), ("x-ratelimit-perhour-remaining", "200"), ("x-ratelimit-perhour-reset", "900")], Some(3_600_000)),
    ("Imgur", "apidocs.imgur.com", 429, &[("x-ratelimit-userremaining", "0"), ("x-ratelimit-userreset", "1767225660")], Some(60_000)),
    ("Vimeo", "developer.vimeo.com/guidelines/rate-limiting", 429, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "2026-01-01T00:01:00+00:00")], Some(60_000)),
    ("Meta", "developers.facebook.com/docs/graph-api/overview/rate-limiting", 400, &[("x-business-use-case-usage", r#"{"66782684":[{"type":"ads_management","call_count":100,"total_cputime":20,"total_time":20,"estimated_time_to_regain_access":19}]}"#)], None),
    ("Twitch", "dev.twitch.tv/docs/api/guide", 429, &[("ratelimit-limit", "800"), ("ratelimit-remaining", "0"), ("ratelimit-reset", "1767225605")], Some(5_000)),
    ("Spotify", "developer.spotify.com/documentation/web-api/concepts/rate-limits", 429, &[("retry-after", "20")], Some(20_000)),
    ("Strava", "developers.strava.com/docs/rate-limits", 429, &[("x-ratelimit-limit", "200,2000"), ("x-ratelimit-usage", "201,1500")], None),
    ("Yelp", "docs.developer.yelp.com/docs/fusion-rate-limiting", 429, &[("ratelimit-dailylimit", "500"), ("ratelimit-remaining", "0"), ("ratelimit-resettime", "2026-01-01T08:00:00+00:00")], Some(28_800_000)),
    ("Zendesk", "developer.zendesk.com/api-reference/introduction/rate-limits", 429, &[("ratelimit-remaining", "0"), ("ratelimit-reset", "41"), ("retry-after", "41")], Some(41_000)),
    ("Zendesk, by endpoint", "developer.zendesk.com/api-reference/introduction/rate-limits", 429, &[("zendesk-ratelimit-tickets-index", "total=100; remaining=0; resets=55")], Some(55_000)),
    ("Intercom", "developers.intercom.com/docs/references/rest-api/errors/rate-limiting", 429, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1767225610")], Some(10_000)),
    ("Freshdesk", "developers.freshdesk.com/api", 429, &[("x-ratelimit-total", "50"), ("x-ratelimit-remaining", "0"), ("retry-after", "26")], Some(26_000)),
    ("Help Scout", "developer.helpscout.com/mailbox-api/overview/rate-limiting", 429, &[("x-ratelimit-limit-minute", "400"), ("x-ratelimit-remaining-minute", "0"), ("x-ratelimit-retry-after", "10")], Some(10_000)),
    ("HubSpot", "developers.hubspot.com/docs/guides/apps/api-usage/usage-details", 429, &[("x-hubspot-ratelimit-remaining", "0"), ("x-hubspot-ratelimit-interval-milliseconds", "10000")], None),
    ("Klaviyo", "developers.klaviyo.com/en/docs/rate_limits_and_error_handling", 429, &[("ratelimit-remaining", "0"), ("ratelimit-reset", "18"), ("retry-after", "18")], Some(18_000)),
    ("SendGrid", "sendgrid.com/docs/api-reference/how-to-use-the-sendgrid-v3-api/rate-limits", 429, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1767225630")], Some(30_000)),
    ("Mailgun", "documentation.mailgun.com/docs/mailgun/api-reference", 429, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1767225630000")], Some(30_000)),
    ("Braze", "braze.com/docs/api/api_limits", 429, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1767225660")], Some(60_000)),
    ("Shopify", "shopify.dev/docs/api/usage/rate-limits", 429, &[("x-shopify-shop-api-call-limit", "40/40"), ("retry-after", "2.0")], Some(2_000)),
    ("BigCommerce", "developer.bigcommerce.com/docs/start/best-practices/api-rate-limits", 429, &[("x-rate-limit-requests-left", "0"), ("x-rate-limit-time-reset-ms", "15000")], Some(15_000)),
    ("Etsy", "developers.etsy.com/documentation/essentials/rate-limits", 429, &[("x-remaining-this-second", "0"), ("retry-after", "1")], Some(1_000)),
    ("Xero", "developer.xero.com/documentation/guides/oauth2/limits", 429, &[("x-rate-limit-problem", "minute"), ("x-minlimit-remaining", "0"), ("retry-after", "37")], Some(37_000)),
    ("Stripe", "docs.stripe.com/rate-limits", 429, &[("stripe-rate-limited-reason", "global-rate")], None),
    ("Square", "developer.squareup.com/docs/build-basics/general-considerations/handling-errors", 429, &[], None),
    // Clouds, networks and identities.
    ("AWS", "docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html", 503, &[("x-amz-retry-after", "1500")], Some(1_500)),
    ("Azure Cosmos DB", "learn.microsoft.com/rest/api/cosmos-db", 429, &[("x-ms-retry-after-ms", "430")], Some(430)),
    ("Azure Resource Graph", "learn.microsoft.com/azure/governance/resource-graph/concepts/guidance-for-throttled-requests", 429, &[("x-ms-user-quota-remaining", "0"), ("x-ms-user-quota-resets-after", "00:00:05")], Some(5_000)),
    ("Microsoft Graph", "learn.microsoft.com/graph/throttling", 429, &[("retry-after", "10")], Some(10_000)),
    ("SharePoint", "learn.microsoft.com/sharepoint/dev/general-development", 429, &[("ratelimit-limit", "1200"), ("ratelimit-remaining", "0"), ("ratelimit-reset", "31"), ("retry-after", "31")], Some(31_000)),
    ("Cloudflare", "developers.cloudflare.com/fundamentals/api/reference/limits", 429, &[("ratelimit", r#""default";r=0;t=30"#), ("ratelimit-policy", r#""default";q=100;w=60"#)], Some(30_000)),
    ("Fastly", "fastly.com/documentation/reference/api", 429, &[("fastly-ratelimit-remaining", "0"), ("fastly-ratelimit-reset", "1767229200")], Some(3_600_000)),
    ("Akamai", "techdocs.akamai.com/developer/docs/rate-limiting", 429, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-next", "2026-01-01T00:00:05Z")], Some(5_000)),
    ("DigitalOcean", "docs.digitalocean.com/reference/api", 429, &[("ratelimit-remaining", "0"), ("ratelimit-reset", "1767225660")], Some(60_000)),
    ("Linode", "techdocs.akamai.com/linode-api/reference/rate-limits", 429, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1767225660"), ("retry-after", "60")], Some(60_000)),
    ("Vercel", "vercel.com/docs/rest-api", 429, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1767225660")], Some(60_000)),
    ("Okta", "developer.okta.com/docs/reference/rl-best-practices", 429, &[("x-rate-limit-limit", "600"), ("x-rate-limit-remaining", "0"), ("x-rate-limit-reset", "1767225630")], Some(30_000)),
    ("Auth0", "auth0.com/docs/troubleshoot/customer-support/operational-policies/rate-limit-policy", 429, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1767225601")], Some(1_000)),
    ("Datadog", "docs.datadoghq.com/api/latest/rate-limits", 429, &[("x-ratelimit-period", "60"), ("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "21")], Some(21_000)),
    ("PagerDuty", "developer.pagerduty.com/docs/rest-api-rate-limits", 429, &[("ratelimit-limit", "960"), ("ratelimit-remaining", "0"), ("ratelimit-reset", "14")], Some(14_000)),
    ("Sentry, events", "develop.sentry.dev/sdk/rate-limiting", 429, &[("retry-after", "2700"), ("x-sentry-rate-limits", "60:transaction:key, 2700:default;error;security:organization")], Some(2_700_000)),
    ("Sentry", "docs.sentry.io/api/ratelimits", 429, &[("x-sentry-rate-limit-remaining", "0"), ("x-sentry-rate-limit-reset", "1767225602")], Some(2_000)),
    ("Cloudinary", "cloudinary.com/documentation/admin_api", 420, &[("x-featureratelimit-remaining", "0"), ("x-featureratelimit-reset", "Thu, 01 Jan 2026 01:00:00 GMT")], Some(3_600_000)),
    ("RapidAPI", "docs.rapidapi.com/docs/response-headers", 429, &[("x-ratelimit-requests-remaining", "0"), ("x-ratelimit-requests-reset", "3600")], Some(3_600_000)),
    ("Mapbox", "docs.mapbox.com/api/overview", 429, &[("x-rate-limit-interval", "60"), ("x-rate-limit-limit", "300"), ("x-rate-limit-reset", "1767225630")], Some(30_000)),
    ("KuCoin", "kucoin.com/docs-new/rate-limit", 429, &[("gw-ratelimit-remaining", "0"), ("gw-ratelimit-reset", "15005")], Some(15_005)),
    ("Gate", "gate.com/docs/developers/apiv4", 429, &[("x-gate-ratelimit-requests-remain", "0"), ("x-gate-ratelimit-reset-timestamp", "1767225603000")], Some(3_000)),
    ("Bybit", "bybit-exchange.github.io/docs/v5/rate-limit", 403, &[("x-bapi-limit-status", "0"), ("x-bapi-limit", "100"), ("x-bapi-limit-reset-timestamp", "1767225601000")], Some(1_000)),
    ("BitMEX", "bitmex.com/app/restAPI", 429, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1767225605"), ("retry-after", "5")], Some(5_000)),
    ("Binance", "developers.binance.com/docs/binance-spot-api-docs/rest-api", 429, &[("x-mbx-used-weight-1m", "6001"), ("retry-after", "17")], Some(17_000)),
    ("Codex", "github.com/openai/codex", 429, &[("x-codex-primary-used-percent", "100"), ("x-codex-primary-reset-after-seconds", "300"), ("x-codex-secondary-used-percent", "31"), ("x-codex-secondary-reset-after-seconds", "400000")], Some(300_000)),
    ("GitHub Models, rest of the time", "docs.github.com/github-models", 429, &[("x-ratelimit-timeremaining", "30")], Some(30_000)),
    ("GitHub Copilot", "github.com/microsoft/vscode-copilot-chat", 429, &[("retry-after", "60"), ("x-usage-ratelimit-session", "ent=0&ov=0.0&ovPerm=false&rem=0.0&rst=2026-01-01T00%3A01%3A00Z")], Some(60_000)),
    ("Hugging Face", "huggingface.co/docs/hub/rate-limits", 429, &[("ratelimit", r#""api";r=0;t=55"#), ("ratelimit-policy", r#""fixed window";"api";q=500;w=300"#)], Some(55_000)),
    ("Docker Hub", "docs.docker.com/reference/api/hub/latest", 429, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1767225660"), ("retry-after", "60")], Some(60_000)),
    ("Docker Hub, before 2025", "docs.docker.com/reference/api/hub/latest", 429, &[("x-retry-after", "1767225660"), ("ratelimit-remaining", "0;w=21600")], Some(60_000)),
    ("Azure DevOps", "learn.microsoft.com/azure/devops/integrate/concepts/rate-limits", 429, &[("x-ratelimit-resource", "core"), ("x-ratelimit-delay", "2.5"), ("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1767225630"), ("retry-after", "30")], Some(30_000)),
    ("LaunchDarkly", "launchdarkly.com/docs/api#rate-limiting", 429, &[("x-ratelimit-global-remaining", "0"), ("x-ratelimit-route-remaining", "5"), ("x-ratelimit-reset", "1767225610000")], Some(10_000)),
    ("Front", "dev.frontapp.com/docs/rate-limiting", 429, &[("x-ratelimit-limit", "50"), ("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1767225610.000")], Some(10_000)),
    ("Close", "developer.close.com/topics/rate-limits", 429, &[("ratelimit", "limit=100, remaining=0, reset=5")], Some(5_000)),
    ("Keap", "developer.infusionsoft.com/api-token-quota-and-usage-measurements", 429, &[("x-keap-product-quota-available", "0"), ("x-keap-product-quota-expiry-time", "1767225660000")], Some(60_000)),
    ("SurveyMonkey", "api.surveymonkey.com/v3/docs", 429, &[("x-ratelimit-app-global-minute-remaining", "0"), ("x-ratelimit-app-global-minute-reset", "28"), ("x-ratelimit-app-global-day-remaining", "499"), ("x-ratelimit-app-global-day-reset", "60000")], Some(28_000)),
    ("Exact Online", "support.exactonline.com", 429, &[("x-ratelimit-remaining", "4900"), ("x-ratelimit-reset", "1767312000000"), ("x-ratelimit-minutely-remaining", "0"), ("x-ratelimit-minutely-reset", "1767225660000")], Some(60_000)),
    ("Brevo", "developers.brevo.com/docs/limit-headers", 429, &[("x-sib-ratelimit-remaining", "0"), ("x-sib-ratelimit-reset", "2")], Some(2_000)),
    ("GoCardless", "developer.gocardless.com/api-reference", 429, &[("ratelimit-remaining", "0"), ("ratelimit-reset", "Thu, 01 Jan 2026 00:00:30 GMT")], Some(30_000)),
    ("DocuSign", "developers.docusign.com/platform/resource-limits", 400, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1767225660"), ("x-burstlimit-remaining", "100")], Some(60_000)),
    ("Fitbit", "dev.fitbit.com/build/reference/web-api", 429, &[("fitbit-rate-limit-remaining", "0"), ("fitbit-rate-limit-reset", "1478")], Some(1_478_000)),
    ("Polar", "www.polar.com", 429, &[("ratelimit-usage", "501, 600"), ("ratelimit-limit", "500, 5000"), ("ratelimit-reset", "30, 1200")], Some(1_200_000)),
    ("Trakt", "trakt.docs.apiary.io", 429, &[("x-ratelimit", r#"{"name":"UNAUTHED_API_GET_LIMIT","period":300,"limit":1000,"remaining":0,"until":"2026-01-01T00:05:00Z"}"#)], Some(300_000)),
    ("EVE Online", "developers.eveonline.com/docs/services/esi/best-practices", 420, &[("x-esi-error-limit-remain", "0"), ("x-esi-error-limit-reset", "42")], Some(42_000)),
    ("MusicBrainz", "community.metabrainz.org/t/what-do-the-x-ratelimit-headers-mean-and-how-should-they-be-used/259737", 503, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1767225601")], Some(1_000)),
    ("Mozilla", "mozilla-services.readthedocs.io/en/latest/storage/apis-1.5.html", 503, &[("x-weave-backoff", "1800")], Some(1_800_000)),
    ("CrowdStrike", "github.com/CrowdStrike/gofalcon", 429, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-retryafter", "1767225660")], Some(60_000)),
    ("Qualys", "docs.qualys.com/en/vmdr-mobile/api/get_started/api_rate_limits.htm", 409, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-window-sec", "3600"), ("x-ratelimit-towait-sec", "181")], Some(181_000)),
    ("Rollbar", "docs.rollbar.com/docs/rate-limits", 429, &[("x-rate-limit-remaining", "0"), ("x-rate-limit-remaining-seconds", "30")], Some(30_000)),
    ("Traefik", "doc.traefik.io/traefik/reference/routing-configuration/http/middlewares/ratelimit", 429, &[("retry-after", "0"), ("x-retry-in", "409.8ms")], Some(410)),
    ("Kong", "developer.konghq.com/plugins", 429, &[("x-ratelimit-remaining-minute", "0"), ("ratelimit-remaining", "0"), ("ratelimit-reset", "37")], Some(37_000)),
    ("Envoy", "www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/rate_limit_filter", 429, &[("x-ratelimit-limit", "10, 10;w=1;name=\"foo\", 1000;w=86400"), ("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1")], Some(1_000)),
    ("Symfony", "symfony.com/doc/current/rate_limiter.html", 429, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-retry-after", "1767225660")], Some(60_000)),
    ("Upstash", "upstash.com/docs/qstash/api/api-ratelimiting", 429, &[("burst-ratelimit-remaining", "0"), ("burst-ratelimit-reset", "1767225601")], Some(1_000)),
    ("tado", "support.tado.com/en/articles/12165739-limitation-for-rest-api-usage", 429, &[("ratelimit", r#""perday";r=0;t=3600"#), ("ratelimit-policy", r#""perday";q=20000;w=86400"#)], Some(3_600_000)),
    ("Auth0, quota of a client", "auth0.com/docs/fine-grained-m2m-token-quotas", 429, &[("auth0-client-quota-limit", "b=per_hour;q=100;r=0;t=3600, b=per_day;q=300;r=299;t=80000")], Some(3_600_000)),
    ("Zuora", "developer.zuora.com/docs/guides/rate-limits", 429, &[("concurrencylimit-remaining", "0"), ("ratelimit-remaining", "100"), ("ratelimit-reset", "30")], Some(30_000)),
];

/// Rows whose wait is not understood, each with its reason.
const UNREAD: &[(&str, &str)] = &[
    ("Airtable", "the page says 30 s, and the response says nothing"),
    (
        "Strava",
        "the limits are quarters of an hour and days of the clock, and the response has only what was used",
    ),
    ("HubSpot", "the response has the length of the window and not its end"),
    (
        "Meta",
        "the header has the use of each business, with minutes in a field whose name has no unit, and the status is a 400",
    ),
    ("Stripe", "the response says nothing of time; `stripe-should-retry` is obeyed"),
    ("Square", "the response says nothing of time"),
];

fn hint(row: &Row) -> Option<RetryHint> {
    let (.., status, lines, _) = row;
    let mut response = Response::builder().status(*status).body(()).unwrap();
    for (name, value) in *lines {
        append(response.headers_mut(), name, value.as_bytes());
    }
    RetryHint::read(&ResponseHead::from(&response), moment(NOW))
}

/// The table of `docs/hints.md`.
fn table() -> String {
    let mut table = "| vendor | response | wait | page |\n|---|---|--:|---|\n".to_owned();
    for row in VENDORS {
        let (vendor, page, status, lines, _) = row;
        let lines: Vec<_> = lines.iter().map(|(name, value)| format!("`{name}: {value}`")).collect();
        let lines = if lines.is_empty() { String::new() } else { format!(", {}", lines.join(", ")) };
        let wait = match hint(row).and_then(RetryHint::delay) {
            Some(delay) => format!("{} s", delay.as_secs_f64()),
            None => "none".to_owned(),
        };
        writeln!(table, "| {vendor} | {status}{lines} | {wait} | {page} |").unwrap();
    }
    table
}

#[test]
fn every_vendor_is_understood_or_has_a_reason_why_not() {
    let unread: BTreeSet<_> = UNREAD.iter().map(|(vendor, _)| *vendor).collect();
    for row in VENDORS {
        let (vendor, .., expected_ms) = row;
        let expected = expected_ms.map(|millis| RetryHint::After(Duration::from_millis(millis)));
        assert_eq!(hint(row), expected, "{vendor}");
        assert_eq!(expected.is_none(), unread.contains(vendor), "{vendor}");
    }
    let name = |vendor: &'static str| vendor.split(',').next().unwrap();
    let vendors: BTreeSet<_> = VENDORS.iter().map(|(vendor, ..)| name(vendor)).collect();
    println!("{}", table());
    println!("{} vendors, {} of them unread", vendors.len(), unread.len());
    assert!(vendors.len() >= 90 && unread.len() <= 6, "{} {}", vendors.len(), unread.len());
}

/// `UPDATE_SNAPSHOTS=1` writes the table anew.
#[test]
fn the_page_has_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/hints.md");
    let page = fs::read_to_string(&path).unwrap();
    let (text, _) = page.split_once("| vendor |").expect("the page has the table");
    let expected = format!("{text}{}", table());
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        fs::write(&path, expected).unwrap();
    } else {
        assert_eq!(page, expected);
    }
    for (vendor, reason) in UNREAD {
        assert!(text.contains(&format!("* {vendor}: {reason}.")), "{vendor}");
    }
}
