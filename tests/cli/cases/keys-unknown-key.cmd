fairvisor keys get hedder:x-api-key=1
