package httpapi

import (
	"context"

	"github.com/shiyi-market/shiyi/internal/httpapi/oas"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/notice"
)

// notices answers the operations tagged "notices".
type notices struct{ notices *notice.Service }

// ListNotices answers GET /v1/notices.
func (h notices) ListNotices(ctx context.Context, r oas.ListNoticesRequestObject) (oas.ListNoticesResponseObject, error) {
	p, err := h.notices.Notices(ctx, callerOf(ctx), value(r.Params.Unread), fromPage(r.Params.Cursor, r.Params.Limit))
	if err != nil {
		return nil, err
	}
	english := exchangeOf(ctx).english()
	data, next := wirePage(p, func(n notice.Notice) oas.Notice { return wireNotice(n, english) })
	return oas.ListNotices200JSONResponse{Data: data, NextCursor: next}, nil
}

// ReadNotice answers POST /v1/notices/{notice_id}/read.
func (h notices) ReadNotice(ctx context.Context, r oas.ReadNoticeRequestObject) (oas.ReadNoticeResponseObject, error) {
	n, err := h.notices.Read(ctx, callerOf(ctx), id.From[notice.Notice](r.NoticeId))
	if err != nil {
		return nil, err
	}
	return oas.ReadNotice200JSONResponse(wireNotice(n, exchangeOf(ctx).english())), nil
}

// ReadAllNotices answers POST /v1/notices/read-all.
func (h notices) ReadAllNotices(ctx context.Context, _ oas.ReadAllNoticesRequestObject) (oas.ReadAllNoticesResponseObject, error) {
	n, err := h.notices.ReadAll(ctx, callerOf(ctx))
	if err != nil {
		return nil, err
	}
	return oas.ReadAllNotices200JSONResponse{Read: n}, nil
}

// ListNoticePreferences answers GET /v1/notice-preferences.
func (h notices) ListNoticePreferences(ctx context.Context, _ oas.ListNoticePreferencesRequestObject) (oas.ListNoticePreferencesResponseObject, error) {
	all, err := h.notices.Preferences(ctx, callerOf(ctx))
	if err != nil {
		return nil, err
	}
	return oas.ListNoticePreferences200JSONResponse{Data: wireAll(all, wirePreference)}, nil
}

// SetNoticePreference answers POST /v1/notice-preferences.
func (h notices) SetNoticePreference(ctx context.Context, r oas.SetNoticePreferenceRequestObject) (oas.SetNoticePreferenceResponseObject, error) {
	p := notice.Preference{Topic: notice.Topic(r.Body.Topic), Channel: notice.Channel(r.Body.Channel), Enabled: r.Body.Enabled}
	all, err := h.notices.Prefer(ctx, callerOf(ctx), p)
	if err != nil {
		return nil, err
	}
	return oas.SetNoticePreference200JSONResponse{Data: wireAll(all, wirePreference)}, nil
}

func wireNotice(n notice.Notice, english bool) oas.Notice {
	return oas.Notice{
		Id: n.ID.UUID(), Kind: string(n.Kind), Topic: oas.NoticeTopic(n.Kind.Topic()), Title: n.Title(english), Body: n.Body(english),
		Params: n.Params, CreatedAt: n.CreatedAt, ReadAt: wireTime(n.ReadAt),
	}
}

func wirePreference(p notice.Preference) oas.NoticePreference {
	return oas.NoticePreference{Topic: oas.NoticeTopic(p.Topic), Channel: oas.NoticeChannel(p.Channel), Enabled: p.Enabled, Fixed: p.Fixed}
}
