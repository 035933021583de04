/* Public keys whose private halves were thrown away, and digests. */
#define KEY_512                                                                                              \
	"MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAOCzk8zefHBGxYPrn3CfFa8JD7iFoyW9OJacE+b7dxdub7028LiNxXlq/N"         \
	"zQ0oVDN6ZJ0btIibHIle201SIDO4sCAwEAAQ=="
#define KEY_1024                                                                                             \
	"MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDRjCJ2RLWAjZE/4qZWRuMODeF2r/rOveRLlNFAqQQSckMGkmCalp"         \
	"LVNATmVjRwFRberOn0O1i668WkTuk1/rkfDE9pTS6ZL5H/Hbwea6m57CPurpMCQHQrH5kCdN2QacogQ7326HYzVZ0/"         \
	"LVoI8OFEUqQ/uPYbND+PCl3NAtZu1wIDAQAB"
#define KEY_2048                                                                                             \
	"MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEArdFx0VSKuDSyOmRVbSL3qbNXyA4MVdyHbGjVYvhz1IIjGz"         \
	"fDNn3rnpU7KmiG8CBrZxdoNmaKe7HGyOEDsFgMomyeUjJ1AhZ8VeiFaKkd8WE5OO+yJGrP4nyoK+X+Mv1xyxyH1+RF"         \
	"g6vEeYV6/Z4ut1yTsaOwCsE0obgZBwmcu+7cw2xtbJrCVHgCcQGPXvJQQA4eGueyvmfJU/R3lL1tyHl2rp8dAQgjNx"         \
	"TkKKPuO2OmVFravFlTXilqoWsZgQlJmaYKCe/mVMLzbsp4f+QKvuqzN00Pxz3rhs660nV0sz9tHwXLnDwl1tE2CA30"         \
	"FsandvoR4h6TzTe1+QXbx/f2DwIDAQAB"
#define DIGEST_1 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define DIGEST_2 "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"
