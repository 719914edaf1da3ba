fairvisor help jwt
