// imapflow against a server: one line "ok NAME" or "not ok NAME why" for each thing a mail program does with it.
// HOST, PORT, USER, PASSWORD and CA (a file) come by the environment.
"use strict";
const assert = require("assert");
const fs = require("fs");
const { ImapFlow } = require("imapflow");

const E = process.env;
const client = () => new ImapFlow({
	host: E.HOST, port: Number(E.PORT), secure: true, auth: { user: E.USER, pass: E.PASSWORD }, logger: false, qresync: true,
	tls: { ca: fs.readFileSync(E.CA), checkServerIdentity: () => undefined },
});
const letter = (subject, body, extra = "") =>
	Buffer.from(`From: =?UTF-8?B?${Buffer.from("山田 太郎").toString("base64")}?= <taro@example.jp>\r\nTo: ${E.USER}\r\n` +
		`Subject: =?UTF-8?B?${Buffer.from(subject).toString("base64")}?=\r\nMessage-ID: <${Math.random().toString(36).slice(2)}@example.jp>\r\n` +
		`Date: Mon, 16 Nov 2026 10:00:00 +0900\r\nMIME-Version: 1.0\r\n${extra}Content-Type: text/plain; charset=utf-8\r\n` +
		`Content-Transfer-Encoding: base64\r\n\r\n${Buffer.from(body).toString("base64")}\r\n`);

let failed = 0;
async function step(name, work) {
	let timer;
	const late = new Promise((_, no) => { timer = setTimeout(() => no(new Error("not within 20 s")), 20000); });
	try {
		await Promise.race([work(), late]);
		console.log(`ok ${name}`);
	} catch (why) {
		failed++;
		console.log(`not ok ${name} ${String(why.stack || why).replace(/\s+/g, " ").slice(0, 500)}`);
	} finally {
		clearTimeout(timer);
	}
}
const event = (emitter, name) => new Promise(yes => emitter.once(name, yes));

async function main() {
	const a = client(), b = client();
	await step("two-sessions", async () => { await a.connect(); await b.connect(); });
	await step("folders-by-their-names", async () => {
		for (const name of ["Flow", "Flow/取引先", "Flow/R&D ~x"])
			assert((await a.mailboxCreate(name)).created);
		const seen = (await b.list()).map(f => f.path);
		for (const name of ["INBOX", "Flow", "Flow/取引先", "Flow/R&D ~x"])
			assert(seen.includes(name), `${name} in ${seen}`);
		await a.mailboxRename("Flow/R&D ~x", "Flow/Old");
		assert((await b.list()).some(f => f.path === "Flow/Old"));
		await a.mailboxDelete("Flow/Old");
		assert((await a.list()).some(f => f.specialUse === "\\Sent"));
	});
	await step("idle-hears-of-an-append", async () => {
		await b.mailboxOpen("Flow");
		const heard = event(b, "exists");
		const idling = b.idle();
		await new Promise(yes => setTimeout(yes, 200));
		const put = await a.append("Flow", letter("見積書の件", "金額は別紙をご覧ください。"), ["\\Flagged"], new Date("2026-11-16T01:00:00Z"));
		assert.equal(put.uid, 1);
		assert.equal((await heard).count, 1);
		await b.noop();
		await idling;
	});
	await step("fetch-gives-what-was-put", async () => {
		const m = await b.fetchOne(1, { envelope: true, bodyStructure: true, flags: true, internalDate: true, size: true, threadId: true, uid: true });
		assert.equal(m.envelope.subject, "見積書の件");
		assert.equal(m.envelope.from[0].name, "山田 太郎");
		assert(m.flags.has("\\Flagged"));
		assert.equal(m.internalDate.toISOString(), "2026-11-16T01:00:00.000Z");
		assert.equal(m.bodyStructure.type, "text/plain");
		assert(m.emailId && m.threadId);
		const { content } = await b.download(1, "1");
		let text = "";
		for await (const piece of content)
			text += piece;
		assert.equal(text.trim(), "金額は別紙をご覧ください。");
	});
	await step("flags-flow-to-the-other-session", async () => {
		const told = event(b, "flags");
		const idling = b.idle();
		await a.mailboxOpen("Flow");
		await a.messageFlagsAdd("1", ["\\Seen", "$Forwarded"]);
		const change = await told;
		assert(change.flags.has("\\Seen") && change.flags.has("$Forwarded"));
		await b.noop();
		await idling;
	});
	await step("search-finds-japanese", async () => {
		await a.append("Flow", letter("議事録", "来週の会議は火曜日です。"));
		await a.append("Flow", letter("Minutes", "Nothing in Japanese here."));
		assert.deepEqual(await a.search({ subject: "見積" }, { uid: true }), [1]);
		assert.deepEqual(await a.search({ body: "会議" }, { uid: true }), [2]);
		assert.deepEqual(await a.search({ not: { from: "nobody" }, unseen: true }, { uid: true }), [2, 3]);
	});
	await step("what-changed-since", async () => {
		const from = (await a.status("Flow", { highestModseq: true })).highestModseq;
		await b.noop(); // so that it knows message 3
		await b.messageFlagsAdd("3", ["\\Answered"], { uid: true });
		const changed = new Set();
		for await (const m of a.fetch("1:*", { flags: true, uid: true }, { uid: true, changedSince: from }))
			changed.add(m.uid);
		assert.deepEqual([...changed], [3]);
	});
	await step("copy-move-and-expunge", async () => {
		const copied = await a.messageCopy("1:2", "Flow/取引先", { uid: true });
		assert.equal(copied.uidMap.size, 2);
		const moved = await a.messageMove("3", "Flow/取引先", { uid: true });
		assert.equal(moved.uidMap.get(3), 3);
		await a.messageDelete("2", { uid: true });
		assert.equal((await a.status("Flow", { messages: true })).messages, 1);
		assert.equal((await a.status("Flow/取引先", { messages: true })).messages, 3);
		assert(copied.uidValidity);
	});
	await step("a-thousand-in-one-fetch", async () => {
		const big = "x".repeat(2000);
		for (let i = 0; i < 1000; i += 50)
			await Promise.all(Array.from({ length: 50 }, (_, k) => a.append("Flow/取引先", letter(`No. ${i + k}`, big))));
		await a.mailboxOpen("Flow/取引先");
		assert.equal(a.mailbox.exists, 1003);
		let n = 0;
		for await (const m of a.fetch("1:*", { envelope: true, flags: true, source: n < 0 }))
			n += m.envelope.subject ? 1 : 0;
		assert.equal(n, 1003);
	});
	await step("logout", async () => { await a.logout(); await b.logout(); });
	process.exit(failed ? 1 : 0);
}
main().catch(why => { console.log(`not ok exercise ${String(why.stack || why).replace(/\s+/g, " ")}`); process.exit(1); });
