/*
 * gen_jis: writes the Japanese code tables as C, from what the build machine's ICU and iconv know.
 *
 * JIS X 0208 with the NEC and IBM extensions comes from ICU's windows-932, addressed by pointer as in the WHATWG
 * Encoding Standard (row * 94 + cell, 120 rows; the user-defined rows are arithmetic and stay 0). JIS X 0212 comes
 * from ICU's euc-jp-2007. JIS X 0213 comes from iconv's EUC-JISX0213; a code that stands for two code points holds
 * the second one, less its base of 0x300, in its upper bits. A unit test compares the result with public tables.
 */
#include <errno.h>
#include <iconv.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unicode/ucnv.h>

static UConverter *open_icu(const char *name)
{
	UErrorCode err = U_ZERO_ERROR;
	UConverter *cnv = ucnv_open(name, &err);
	ucnv_setToUCallBack(cnv, UCNV_TO_U_CALLBACK_STOP, NULL, NULL, NULL, &err);
	if (U_FAILURE(err)) {
		fprintf(stderr, "ICU has no %s: %s\n", name, u_errorName(err));
		exit(1);
	}
	return cnv;
}

static unsigned from_icu(UConverter *cnv, const char *in, int n)
{
	UErrorCode err = U_ZERO_ERROR;
	UChar out[4];
	int32_t len = ucnv_toUChars(cnv, out, 4, in, n, &err);
	return U_SUCCESS(err) && len == 1 ? out[0] : 0;
}

static void table(const char *type, const char *name, const unsigned *v, int n)
{
	printf("static const %s %s[%d] = {", type, name, n);
	for (int i = 0; i < n; i++)
		printf("%s0x%x,", i % 16 ? "" : "\n\t", v[i]);
	printf("\n};\n");
}

static void jis0208(void)
{
	UConverter *cnv = open_icu("windows-932");
	static unsigned v[120 * 94];
	for (int p = 0; p < 120 * 94; p++) {
		int lead = p / 188, trail = p % 188;
		char in[2] = {
		    (char)(lead + (lead < 0x1f ? 0x81 : 0xc1)), (char)(trail + (trail < 0x3f ? 0x40 : 0x41))};
		if (p < 8836 || p > 10715)
			v[p] = from_icu(cnv, in, 2);
	}
	ucnv_close(cnv);
	table("uint16_t", "jis0208", v, 120 * 94);
}

static void jis0212(void)
{
	UConverter *cnv = open_icu("euc-jp-2007");
	static unsigned v[94 * 94];
	for (int p = 0; p < 94 * 94; p++) {
		char in[3] = {(char)0x8f, (char)(p / 94 + 0xa1), (char)(p % 94 + 0xa1)};
		v[p] = from_icu(cnv, in, 3);
	}
	ucnv_close(cnv);
	table("uint16_t", "jis0212", v, 94 * 94);
}

static unsigned from_iconv(iconv_t cd, char *in, size_t n)
{
	uint32_t out[4];
	char *o = (char *)out;
	size_t left = sizeof out;
	iconv(cd, NULL, NULL, NULL, NULL);
	if (iconv(cd, &in, &n, &o, &left) == (size_t)-1 || iconv(cd, NULL, NULL, &o, &left) == (size_t)-1)
		return 0;
	size_t count = (sizeof out - left) / sizeof *out;
	if (count == 2)
		return out[0] | (out[1] - 0x300 + 1) << 18;
	return count == 1 ? out[0] : 0;
}

static void jis0213(int plane)
{
	iconv_t cd = iconv_open("WCHAR_T", "EUC-JISX0213");
	if (cd == (iconv_t)-1) {
		fprintf(stderr, "iconv has no EUC-JISX0213: error %d\n", errno);
		exit(1);
	}
	static unsigned v[94 * 94];
	for (int p = 0; p < 94 * 94; p++) {
		char in[3] = {(char)0x8f, (char)(p / 94 + 0xa1), (char)(p % 94 + 0xa1)};
		v[p] = from_iconv(cd, plane == 2 ? in : in + 1, plane == 2 ? 3 : 2);
	}
	iconv_close(cd);
	table("uint32_t", plane == 1 ? "jis0213_1" : "jis0213_2", v, 94 * 94);
}

int main(void)
{
	printf("/* Written by gen_jis. */\n#include <stdint.h>\n");
	jis0208();
	jis0212();
	jis0213(1);
	jis0213(2);
	return ferror(stdout) ? 1 : 0;
}
