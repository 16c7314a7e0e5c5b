//! number_plan
