fairvisor keys get header:x-api-key
