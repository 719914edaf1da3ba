fairvisor keys reset header:x-api-key=1
