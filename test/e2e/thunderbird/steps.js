// What Thunderbird is told to do, in its own (chrome) scope. Each function of `steps` is one step of 37-thunderbird, which calls it
// with the settings and waits for what it returns; a step that throws has failed.
const { MailServices } = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");
const TLS = Ci.nsMsgSocketType.SSL, PLAIN = Ci.nsMsgAuthMethod.passwordCleartext;

const { setTimeout } = ChromeUtils.importESModule("resource://gre/modules/Timer.sys.mjs");
const pause = ms => new Promise(yes => setTimeout(yes, ms));
async function until(check, what) {
	for (let i = 0; i < 200; i++) {
		const found = await check();
		if (found)
			return found;
		await pause(100);
	}
	throw new Error(`not within 20 s: ${what}`);
}
function said(status, what) {
	if (!Components.isSuccessCode(status))
		throw new Error(`${what}: 0x${status.toString(16)}`);
}
const urlEnds = (what, start) => new Promise((yes, no) => start({
	QueryInterface: ChromeUtils.generateQI(["nsIUrlListener"]),
	OnStartRunningUrl() {},
	OnStopRunningUrl(url, status) { try { said(status, what); yes(); } catch (why) { no(why); } },
}));
const copyEnds = (what, start) => new Promise((yes, no) => start({
	QueryInterface: ChromeUtils.generateQI(["nsIMsgCopyServiceListener"]),
	onStartCopy() {}, onProgress() {}, setMessageKey() {}, getMessageId() { return null; },
	onStopCopy(status) { try { said(status, what); yes(); } catch (why) { no(why); } },
}));
const server = () => MailServices.accounts.allServers.find(s => s.type == "imap");
const imap = folder => folder.QueryInterface(Ci.nsIMsgImapMailFolder);
const subfolder = name => server().rootFolder.subFolders.find(f => f.name.toLowerCase() == name.toLowerCase());
const update = folder => urlEnds(`update of ${folder.name}`, l => imap(folder).updateFolderWithListener(null, l));
const mails = folder => [...folder.messages];
const bySubject = (folder, subject) => mails(folder).find(m => m.mime2DecodedSubject == subject);

const requestFrame = () => {
	for (const window of Services.wm.getEnumerator(null))
		if (window.location.href.endsWith("browserRequest.xhtml"))
			return window.document.getElementById("requestFrame");
	return null;
};

const steps = {
	account(s) {
		const far = MailServices.accounts.createIncomingServer(s.user, "localhost", "imap");
		far.port = s.imaps;
		far.socketType = TLS;
		far.authMethod = PLAIN;
		far.password = s.password;
		const out = MailServices.outgoingServer.createServer("smtp");
		const smtp = out.QueryInterface(Ci.nsISmtpServer);
		smtp.hostname = "localhost";
		smtp.port = s.submissions;
		out.socketType = TLS;
		out.authMethod = PLAIN;
		out.username = s.user;
		out.password = s.password;
		const me = MailServices.accounts.createIdentity();
		me.email = s.user;
		me.smtpServerKey = out.key;
		const account = MailServices.accounts.createAccount();
		account.incomingServer = far;
		account.addIdentity(me);
		return account.key;
	},
	async folders() {
		await new Promise(yes => { server().performExpand(null); yes(); });
		await until(() => subfolder("INBOX") && subfolder("Sent"), "INBOX and Sent among the folders");
		await update(subfolder("INBOX"));
		return subfolder("INBOX").getTotalMessages(false);
	},
	/* What an add-on with oauth_provider does; then an account that signs in by OAuth 2.0. Returns where its window goes. */
	async asks_for_tokens(s) {
		const { OAuth2Providers } = ChromeUtils.importESModule("resource:///modules/OAuth2Providers.sys.mjs");
		OAuth2Providers.registerProvider({ name: "sekisho", clientId: "thunderbird", authorizationEndpoint: `${s.api}/oauth/authorize`,
			tokenEndpoint: `${s.api}/oauth/token`, redirectionEndpoint: "http://localhost", issuerIdentifier: s.issuer, usePKCE: true },
			["127.0.0.1"], "imap smtp");
		const far = MailServices.accounts.createIncomingServer(s.user, "127.0.0.1", "imap");
		far.port = s.imaps;
		far.socketType = TLS;
		far.authMethod = Ci.nsMsgAuthMethod.OAuth2;
		MailServices.accounts.createAccount().incomingServer = far;
		far.performExpand(null);
		return until(() => {
			const spec = requestFrame()?.currentURI?.spec;
			return spec?.includes("/oauth/authorize?") && spec;
		}, "a window that asks for access");
	},
	/* The window is sent where the provider answers. */
	async is_answered(s) {
		requestFrame().fixupAndLoadURIString(s.url, { triggeringPrincipal: Services.scriptSecurityManager.getSystemPrincipal() });
		const far = MailServices.accounts.allServers.find(one => one.hostname == "127.0.0.1");
		await until(() => far.rootFolder.subFolders.some(f => f.name == "Sent"), "folders of the server by token");
	},
	async arrives(s) {
		// The server tells of it in IDLE; nobody asks here.
		const found = await until(() => bySubject(subfolder("INBOX"), s.subject), `mail ${s.subject} in the INBOX`);
		return found.isRead;
	},
	async offline(s) {
		const inbox = subfolder("INBOX");
		inbox.setFlag(Ci.nsMsgFolderFlags.Offline);
		await urlEnds("download", l => inbox.downloadAllForOffline(l, null));
		const mail = bySubject(inbox, s.subject);
		if (!inbox.hasMsgOffline(mail.messageKey))
			throw new Error("the mail is not kept offline");
		const stream = inbox.getMsgInputStream(mail, {});
		const reader = Cc["@mozilla.org/binaryinputstream;1"].createInstance(Ci.nsIBinaryInputStream);
		reader.setInputStream(stream);
		return btoa(reader.readBytes(mail.offlineMessageSize));
	},
	async marks(s) {
		const inbox = subfolder("INBOX");
		const mail = bySubject(inbox, s.subject);
		inbox.markMessagesRead([mail], true);
		inbox.markMessagesFlagged([mail], true);
		inbox.addKeywordsToMessages([mail], "$label1");
		await update(inbox);
	},
	async makes_folder(s) {
		server().rootFolder.createSubfolder(s.folder, null);
		await until(() => subfolder(s.folder), "the new folder");
	},
	async moves(s) {
		const inbox = subfolder("INBOX"), to = subfolder(s.folder);
		await copyEnds("move", l => MailServices.copy.copyMessages(inbox, [bySubject(inbox, s.subject)], to, true, l, null, false));
		to.updateFolder(null);
		await until(() => bySubject(to, s.subject) && !bySubject(inbox, s.subject), "the mail in the other folder only");
	},
	async sends(s) {
		const file = Services.dirsvc.get("TmpD", Ci.nsIFile);
		file.append(`sekisho-${Date.now()}.eml`);
		await IOUtils.writeUTF8(file.path, s.message);
		const fields = Cc["@mozilla.org/messengercompose/composefields;1"].createInstance(Ci.nsIMsgCompFields);
		fields.from = s.user;
		fields.to = s.to;
		const account = MailServices.accounts.accounts.find(a => a.incomingServer.type == "imap");
		const sender = Cc["@mozilla.org/messengercompose/send;1"].createInstance(Ci.nsIMsgSend);
		await new Promise((yes, no) => {
			sender.sendMessageFile(account.defaultIdentity, account.key, fields, file, true, false, Ci.nsIMsgSend.nsMsgDeliverNow, null, {
				QueryInterface: ChromeUtils.generateQI(["nsIMsgSendListener"]),
				onStartSending() {}, onSendProgress() {}, onStatus() {}, onGetDraftFolderURI() {}, onSendNotPerformed() {},
				onTransportSecurityError(id, status) { no(new Error(`TLS: 0x${status.toString(16)}`)); },
				onStopSending(id, status, text) { try { said(status, `sending ${text}`); yes(); } catch (why) { no(why); } },
			}, null, "");
		});
	},
	async searches(s) {
		const folder = subfolder(s.folder);
		const session = Cc["@mozilla.org/messenger/searchSession;1"].createInstance(Ci.nsIMsgSearchSession);
		const term = session.createTerm();
		const value = term.value;
		value.attrib = Ci.nsMsgSearchAttrib.Body;
		value.str = s.word;
		term.value = value;
		term.attrib = Ci.nsMsgSearchAttrib.Body;
		term.op = Ci.nsMsgSearchOp.Contains;
		session.appendTerm(term);
		session.addScopeTerm(Ci.nsMsgSearchScope.onlineMail, folder);
		const hits = [];
		await new Promise((yes, no) => {
			session.registerListener({
				QueryInterface: ChromeUtils.generateQI(["nsIMsgSearchNotify"]),
				onSearchHit(mail) { hits.push(mail.mime2DecodedSubject); },
				onSearchDone(status) { try { said(status, "search"); yes(); } catch (why) { no(why); } },
				onNewSearch() {},
			});
			session.search(null);
		});
		return hits;
	},
	async deletes(s) {
		const folder = subfolder(s.folder);
		await copyEnds("delete", l => folder.deleteMessages(mails(folder), null, false, true, l, false));
		await until(() => !mails(folder).length, "an empty folder");
	},
};
