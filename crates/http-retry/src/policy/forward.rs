//! A macro for policies that wrap another policy.

/// Implements methods of `Policy` that call the same method of the policy in a field.
macro_rules! forward {
    ($field:ident: $($method:ident),*) => { $(forward!(@$method $field);)* };
    (@is_retryable $field:ident) => {
        fn is_retryable(&self, head: &$crate::RequestHead<'_>) -> bool {
            self.$field.is_retryable(head)
        }
    };
    (@classify $field:ident) => {
        fn classify(&self, attempt: &$crate::Attempt<'_>) -> $crate::Verdict {
            self.$field.classify(attempt)
        }
    };
    (@accept_reason $field:ident) => {
        fn accept_reason(&self, attempt: &$crate::Attempt<'_>) -> Option<$crate::GiveUpReason> {
            self.$field.accept_reason(attempt)
        }
    };
    (@schedule $field:ident) => {
        fn schedule(&self, context: &$crate::RetryContext<'_>) -> $crate::Plan {
            self.$field.schedule(context)
        }
    };
}
